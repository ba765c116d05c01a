// The echo server of bench/echo: a goroutine for each connection.
package main

import (
	"fmt"
	"net"
	"runtime"
)

func echo() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	verify(err == nil, "listen: %v", err)
	fmt.Printf("%d function=net.Listen model=%s\n", listener.Addr().(*net.TCPAddr).Port, runtime.Version())
	for {
		c, err := listener.Accept()
		verify(err == nil, "accept: %v", err)
		go serve(c)
	}
}

func serve(c net.Conn) {
	defer c.Close()
	data := make([]byte, 1024)
	for {
		n, err := c.Read(data)
		if err != nil {
			return
		}
		if _, err = c.Write(data[:n]); err != nil {
			return
		}
	}
}
