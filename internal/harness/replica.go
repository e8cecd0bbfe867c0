package harness

import (
	"net/http/httptest"
	"os"
	"strconv"
	"testing"

	"keymaker/internal/server"
	"keymaker/store/storetest"
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

// ReplicasVariable is how many servers every environment has, which answer in
// turn on one PostgreSQL (storetest.Variable), where a test brings no database of
// its own.
const ReplicasVariable = "KEYMAKER_TEST_REPLICAS"

// others are the servers beside the first one.
func (e *Env) others(t testing.TB, o Options) []*server.Server {
	t.Helper()
	count, _ := strconv.Atoi(os.Getenv(ReplicasVariable))
	if count == 0 || o.DatabaseURL != "" {
		return nil
	}
	var others []*server.Server
	for range count - 1 {
		s := e.open(t)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close a server: %v", err)
			}
		})
		others = append(others, s)
	}
	return others
}

// shared is the database of an environment with several servers, and the secret
// file that they share.
func (o *Options) shared(t testing.TB) {
	if os.Getenv(ReplicasVariable) == "" {
		return
	}
	for _, d := range storetest.Databases() {
		if d.Name == "postgres" {
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		}
	}
}
