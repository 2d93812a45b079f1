// Drives a monitor with digitalocean/go-qemu: connects, runs the commands of its arguments, prints what came.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func main() {
	monitor, err := qmp.NewSocketMonitor("unix", os.Args[1], 10*time.Second)
	check(err)
	check(monitor.Connect())
	events, err := monitor.Events(context.Background())
	check(err)
	// Unread events would hold back the replies behind them.
	seen := make(chan string, 64)
	go func() {
		for event := range events {
			seen <- event.Event
		}
	}()
	for _, command := range os.Args[2:] {
		reply, err := monitor.Run([]byte(command))
		if err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("reply:", string(reply))
		}
	}
	select {
	case name := <-seen:
		fmt.Println("event:", name)
	case <-time.After(10 * time.Second):
		fmt.Println("no event")
	}
	check(monitor.Disconnect())
}
