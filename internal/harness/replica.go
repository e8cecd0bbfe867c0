package harness

import (
	"net/http/httptest"

	"keymaker/internal/server"
)

// Replica runs a second server on the same database until the test ends, as
// another process behind the same proxy would, and returns the environment with
// its address in place of the first one's. The database must be PostgreSQL.
func (e *Env) Replica() *Env {
	e.t().Helper()
	second := *e
	second.Server = e.open(e.t())
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = e.front(server.HTTP(second.Server), second.Server.ServeHTTP)
	ts.Start()
	e.t().Cleanup(func() {
		ts.Close()
		if err := second.Server.Close(); err != nil {
			e.t().Errorf("close the second server: %v", err)
		}
	})
	second.URL = ts.URL
	return &second
}
