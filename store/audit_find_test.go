package store_test

import (
	"strings"
	"testing"
	"time"

	"keymaker/store"
)

func TestEventsAreFoundByEachFilter(t *testing.T) {
	each(t, func(f *fixture) {
		start := f.clock.Now()
		for _, e := range []store.Event{
			{Action: store.ActionConsentDenied, Localpart: "dora", ClientID: "one", Reason: "a"},
			{Action: store.ActionSessionEnded, Localpart: "dora", ClientID: "two", Reason: string(store.EndCodeReplayed)},
			{Action: store.ActionSessionEnded, Localpart: "emil", ClientID: "one", Reason: "c"},
			{Action: store.ActionUserLocked, Localpart: "emil", Reason: "d"},
		} {
			e.Actor = store.ActorServer
			f.must(f.Record(f.ctx, e))
			f.clock.Advance(time.Hour)
		}
		for want, q := range map[string]store.EventQuery{
			"d c code_replayed a": {Since: start},
			"code_replayed a":     {Localpart: "dora"},
			"c a":                 {ClientID: "one"},
			"c code_replayed":     {Action: store.ActionSessionEnded, Since: start},
			"a":                   {Outcome: store.OutcomeDenied, Since: start},
			"code_replayed":       {Outcome: store.OutcomeRefused, Since: start},
			"d c":                 {Outcome: store.OutcomeDone, Since: start},
			"c":                   {Since: start.Add(2 * time.Hour), Until: start.Add(3 * time.Hour)},
			"d":                   {Localpart: "emil", Action: store.ActionUserLocked, Outcome: store.OutcomeDone},
			"":                    {Localpart: "dora", Until: start},
		} {
			q.Limit = 10
			events, err := f.FindEvents(f.ctx, q)
			f.must(err)
			var got []string
			for _, e := range events {
				got = append(got, e.Reason)
			}
			if strings.Join(got, " ") != want {
				f.t.Errorf("%+v: %q, want %q", q, got, want)
			}
		}
	})
}
