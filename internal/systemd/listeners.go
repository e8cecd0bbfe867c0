package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Socket is a socket that the manager has opened. Name is its FileDescriptorName,
// which is that of the socket unit where no other is given.
type Socket struct {
	Name     string
	Listener net.Listener
}

// firstSocket is the first file descriptor that is handed over.
const firstSocket = 3

// maxSockets is more than any unit hands over.
const maxSockets = 64

// Sockets are the sockets that the manager has opened; none where it has not.
func (m *Manager) Sockets() (sockets []Socket, err error) {
	n, _ := strconv.Atoi(m.env("LISTEN_FDS")) // 0 for what is no number
	if n <= 0 || n > maxSockets || !m.forUs("LISTEN_PID", false) {
		return nil, nil
	}
	names := strings.Split(m.env("LISTEN_FDNAMES"), ":")
	for i := range n {
		name := "unknown"
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		l, err := listener(uintptr(firstSocket+i), name)
		if err != nil {
			for _, s := range sockets {
				err = errors.Join(err, s.Listener.Close())
			}
			return nil, err
		}
		sockets = append(sockets, Socket{name, l})
	}
	return sockets, nil
}

// listener makes a listener of a file descriptor, which no child inherits.
func listener(fd uintptr, name string) (net.Listener, error) {
	unix.CloseOnExec(int(fd))
	file := os.NewFile(fd, name)
	l, err := net.FileListener(file) // which has a descriptor of its own
	err = errors.Join(err, file.Close())
	if err != nil {
		return nil, fmt.Errorf("the socket %s of the service manager: %w", name, err)
	}
	return l, nil
}
