// Worker threads that share memory, and libuv's pool; exit code 0: all right.
'use strict';
const {Worker, isMainThread, workerData, parentPort} = require('worker_threads');
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const path = require('path');

if (!isMainThread) {
    const cells = new Int32Array(workerData.shared);
    for (let i = 0; i < 20000; i++)
        Atomics.add(cells, 0, 1);
    Atomics.add(cells, 1, 1);
    Atomics.notify(cells, 1);
    while (Atomics.load(cells, 2) === 0)
        Atomics.wait(cells, 2, 0, 10000);
    parentPort.postMessage(workerData.number * workerData.number);
} else {
    main().catch((error) => {
        console.log(error);
        process.exit(1);
    });
}

function check(passed, what) {
    if (!passed)
        throw new Error('wrong: ' + what);
}

async function main() {
    const shared = new SharedArrayBuffer(16);
    const cells = new Int32Array(shared);
    const workers = [];
    for (let number = 0; number < 4; number++)
        workers.push(new Worker(__filename, {workerData: {shared, number}}));
    const answers = Promise.all(workers.map((w) => new Promise((resolve, reject) => {
        let answer;
        w.on('message', (m) => { answer = m; });
        w.on('error', reject);
        w.on('exit', () => resolve(answer));
    })));
    while (Atomics.load(cells, 1) < 4)
        await new Promise((resolve) => setTimeout(resolve, 5));
    check(Atomics.load(cells, 0) === 80000, 'sum of the workers');
    Atomics.store(cells, 2, 1);
    Atomics.notify(cells, 2);
    check(JSON.stringify(await answers) === '[0,1,4,9]', 'answers');

    const hash = (i) => new Promise((resolve, reject) => crypto.pbkdf2('secret', 'salt' + i, 500, 32, 'sha256',
        (error, key) => error ? reject(error) : resolve(key.toString('hex'))));
    const hashes = await Promise.all([...Array(30).keys()].map(hash));
    check(hashes.every((h, i) => h === crypto.pbkdf2Sync('secret', 'salt' + i, 500, 32, 'sha256').toString('hex')),
        'hashes of the pool');

    const write = async (i) => {
        const file = path.join(process.argv[2], 'node' + i);
        await fs.promises.writeFile(file, 'text ' + i);
        return (await fs.promises.readFile(file, 'utf8')) === 'text ' + i;
    };
    check((await Promise.all([...Array(100).keys()].map(write))).every(Boolean), 'files');
    await dns.promises.lookup('localhost');

    const endless = new Worker('for (;;) ;', {eval: true});
    await new Promise((resolve) => endless.on('online', resolve));
    await endless.terminate();
}
