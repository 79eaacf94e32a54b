package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"repartee/gpu"
	"repartee/server"
)

// What a process that lost its GPU tells the one that takes its place: why, and
// which file descriptor is the open listener.
const (
	lostGPU   = "REPARTEE_LOST_GPU"
	heirloom  = "REPARTEE_INHERITED_LISTENER"
	mourning  = time.Second // for error events to reach those that were being answered
	mostWords = 500
)

// listen opens the API's address, or takes over the listener of the process before.
func listen(address string) (net.Listener, error) {
	text := os.Getenv(heirloom)
	if text == "" {
		return net.Listen("tcp", address)
	}
	_ = os.Unsetenv(heirloom) // fails for names that are none
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is no file descriptor", heirloom, text)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close() // FileListener keeps a copy
	return net.FileListener(file)
}

// surviveOnCPU starts this program again in the place of this process, on the CPU,
// with the same open listener: clients that connect meanwhile wait. A GPU that
// is gone leaves its libraries unusable in the process that used them, for
// speech too, so nothing less will do. It returns only when that is impossible.
func surviveOnCPU(srv *server.Server, listener net.Listener, why error) error {
	slog.Error("the GPU is lost, going on with the CPU", "why", why)
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return errors.New("the listener cannot be handed over")
	}
	file, err := tcp.File()
	if err != nil {
		return fmt.Errorf("handing the listener over: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), mourning)
	srv.Shutdown(ctx)
	cancel()
	fd := file.Fd()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFD, 0); errno != 0 {
		return fmt.Errorf("handing the listener over: %w", errno)
	}
	words := strings.Join(strings.Fields(why.Error()), " ")
	return replace(lostGPU+"="+words[:min(len(words), mostWords)], heirloom+"="+strconv.Itoa(int(fd)))
}

// replace starts this program again in the place of this process, with more
// variables. It returns only when that is impossible.
func replace(variables ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, os.Args, append(os.Environ(), variables...))
}

// withoutGPU goes on with the CPU, or refuses to where a GPU was asked for.
func (c *serveCmd) withoutGPU(srv *server.Server, listener net.Listener, why error) error {
	if c.Device == string(gpu.CUDA) {
		ctx, cancel := context.WithTimeout(context.Background(), mourning)
		defer cancel()
		srv.Shutdown(ctx)
		return fmt.Errorf("%w any more: %w", gpu.ErrNoCUDA, why)
	}
	if err := surviveOnCPU(srv, listener, why); err != nil {
		return fmt.Errorf("the GPU is lost (%w) and the CPU cannot take over: %w", why, err)
	}
	return nil
}
