package jobs

import "keymaker/store"

// slots are how many more jobs of the kinds that Options.AtOnce bounds may be
// done now. A kind that is not among them is not bounded.
type slots map[string]chan struct{}

func newSlots(atOnce map[string]int) slots {
	s := slots{}
	for kind, n := range atOnce {
		s[kind] = make(chan struct{}, n)
	}
	return s
}

// reserve takes one of each kind that has one left, and returns of which kinds a
// job may be taken.
func (s slots) reserve(kinds []string) (free []string) {
	for _, kind := range kinds {
		slot, bounded := s[kind]
		if !bounded {
			free = append(free, kind)
			continue
		}
		select {
		case slot <- struct{}{}:
			free = append(free, kind)
		default:
		}
	}
	return free
}

// release gives back what was reserved, but for a job that is begun.
func (s slots) release(free []string, begun store.Job) {
	for _, kind := range free {
		if slot, bounded := s[kind]; bounded && kind != begun.Kind {
			<-slot
		}
	}
}

// done gives back what a job had.
func (s slots) done(j store.Job) {
	if slot, bounded := s[j.Kind]; bounded {
		<-slot
	}
}
