// The jobs of bench/mn/stream.c.
package main

import (
	"io"
	"net"
	"os"
)

const piece = 64 << 10

// stream: pieces through a TCP connection of the machine to itself.
func stream() {
	file, err := os.CreateTemp("", "stream")
	verify(err == nil, "no file: %v", err)
	os.Remove(file.Name())
	memory := make([]byte, piece)
	file.Write(memory)
	streamBy("stream_write", func(c net.Conn) {
		n, err := c.Write(memory)
		verify(n == piece, "a piece was not sent: %v", err)
	})
	streamBy("stream_sendfile", func(c net.Conn) {
		file.Seek(0, io.SeekStart)
		n, err := io.Copy(c, file)
		verify(n == piece, "a piece was not sent: %v", err)
	})
}

func streamBy(name string, send func(net.Conn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	verify(err == nil, "no socket: %v", err)
	to, err := net.Dial("tcp", listener.Addr().String())
	verify(err == nil, "no connection: %v", err)
	from, err := listener.Accept()
	verify(err == nil, "no connection: %v", err)
	listener.Close()
	received := make(chan uint64)
	go func() {
		buffer, bytes := make([]byte, piece), uint64(0)
		for {
			n, err := from.Read(buffer)
			bytes += uint64(n)
			if err != nil {
				break
			}
		}
		received <- bytes
	}()
	for i := 0; i < 100; i++ {
		send(to)
	}
	ns, pieces := nsPerCall(16, func(int) { send(to) })
	to.Close()
	verify(<-received == (pieces+100)*piece, "bytes were lost")
	from.Close()
	result(name, ns, "ns", "")
}
