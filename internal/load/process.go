package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is this same binary as a server.
type process struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from the start to the first good answer
	log   *os.File
	ended chan struct{} // closed when the process has ended, with err
	err   error
}

const (
	startLimit = 60 * time.Second
	pollPause  = time.Millisecond
	stopLimit  = 20 * time.Second
)

// start runs this binary with arguments, and waits until path at url answers.
func start(ctx context.Context, url, path string, log *os.File, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the binary: %w", err)
	}
	p := &process{url: url, log: log, ended: make(chan struct{}), cmd: exec.CommandContext(context.WithoutCancel(ctx), self, args...)} //nolint:gosec // it is this program
	p.cmd.Stdout, p.cmd.Stderr = log, log
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	for time.Since(began) < startLimit && ctx.Err() == nil && !p.gone() {
		if answers(ctx, url+path) {
			p.ready = time.Since(began)
			return p, nil
		}
		time.Sleep(pollPause)
	}
	text, _ := os.ReadFile(log.Name())
	return nil, errors.Join(fmt.Errorf("the server does not answer:\n%s", text), p.stop())
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// gone tells whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stop ends the process in order.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(stopLimit, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
	return errors.Join(p.err, p.log.Close())
}

// clockTick is the unit of /proc/PID/stat, which is the same on all of Linux.
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the time of the processor: %w", err)
	}
	return parseCPU(text)
}

// parseCPU reads user and system time from /proc/PID/stat. The name of the
// program may hold anything, so what is counted begins after its bracket.
func parseCPU(text []byte) (time.Duration, error) {
	const user, system = 11, 12 // after the bracket
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= system {
		return 0, errors.New("read the time of the processor: too few fields")
	}
	u, err1 := strconv.ParseInt(string(fields[user]), 10, 64)
	s, err2 := strconv.ParseInt(string(fields[system]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("read the time of the processor: %w", err)
	}
	return time.Duration(u+s) * clockTick, nil
}

// Lines of /proc/PID/status.
const (
	resident = "VmRSS:"
	peak     = "VmHWM:"
)

// memory is one line of the process's status, in bytes.
func (p *process) memory(line string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory: %w", err)
	}
	return parseMemory(text, line)
}

func parseMemory(text []byte, line string) (int64, error) {
	for l := range bytes.Lines(text) {
		fields := bytes.Fields(l)
		if len(fields) == 3 && string(fields[0]) == line && string(fields[2]) == "kB" {
			kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read the memory: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("read the memory: no line %s", line)
}
