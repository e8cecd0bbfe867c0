package fakesynapse

import "maps"

// Call is a call that arrived.
type Call struct {
	// Name is the last part of its path, such as "upsert_device".
	Name string
	// Body is the JSON object that was sent, or the query as one. It is nil when
	// the call was not looked at.
	Body map[string]any
	// Status was answered; 0 is no answer.
	Status int
}

// Calls are the calls in the order in which they arrived.
func (s *Synapse) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Call, 0, len(s.calls))
	for _, c := range s.calls {
		list = append(list, Call{c.Name, maps.Clone(c.Body), c.Status})
	}
	return list
}

// Forget begins the list of Calls anew.
func (s *Synapse) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

func (s *Synapse) record(name string) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Call{Name: name}
	s.calls = append(s.calls, c)
	return c
}

func (s *Synapse) note(c *Call, body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Body = body
}

func (s *Synapse) finish(c *Call, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Status = status
}
