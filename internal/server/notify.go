package server

// Notice is what a server tells whoever has started it.
type Notice string

// The notices.
const (
	Ready     Notice = "ready"
	Reloading Notice = "reloading"
	Stopping  Notice = "stopping"
)

// notify tells it, if somebody wants to know.
func (s *Server) notify(n Notice) {
	if s.notice != nil {
		s.notice(n)
	}
}
