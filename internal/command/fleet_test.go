package command_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/internal/porttest"
	"keymaker/store/storetest"
)

// fleet are servers on one PostgreSQL behind a balancer. Its Env is what clients
// see.
type fleet struct {
	*harness.Env
	*balancer
	servers []*process
}

// cutOff is what the proxy answers with 502 to a request that has lost its server.
const cutOff = "502 cut off"

func startFleet(t *testing.T, database, more string) *fleet {
	t.Helper()
	f := &fleet{}
	folder, secretFile := t.TempDir(), storetest.SecretFile(t)
	var ports []int
	for range 3 {
		ports = append(ports, porttest.Free(t))
	}
	f.balancer = balance(t, ports...)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host },
		Transport: f.balancer,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			f.cut.Add(1)
			http.Error(w, cutOff, http.StatusBadGateway)
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	f.Env = &harness.Env{T: t, URL: front.URL, Issuer: front.URL}
	f.IDP = demoidptest.Start(t, func(o *demoidptest.Options) {
		o.RedirectURIs = []string{front.URL + "/_matrix/client/unstable/login/sso/callback/" + o.ClientID}
	})
	for i, port := range ports {
		p := &process{Env: &harness.Env{T: t, URL: fmt.Sprintf("http://127.0.0.1:%d", port), Issuer: front.URL}, config: filepath.Join(folder, fmt.Sprintf("keymaker%d.toml", i))}
		write(t, p.config, fmt.Sprintf("[global]\nserver_name = \"example.org\"\nport = %d\nsecret_file = %q\noidc_rc_per_second = 0\n%s\n"+
			"[global.well_known]\nclient = %q\n[global.database]\nurl = %q\n[global.homeserver]\nsecret = %q\n"+
			"[[global.identity_provider]]\nbrand = \"Demo\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			port, secretFile, more, front.URL, database, harness.HomeserverSecret, f.IDP.ClientID, f.IDP.ClientSecret, f.IDP.Issuer))
		f.servers = append(f.servers, p)
		p.start()
		t.Cleanup(p.kill)
	}
	f.settle(t)
	return f
}

// settle waits until every server is ready and follows the same keys.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		var sets []string
		for i, p := range f.servers {
			a, err := p.Try(http.MethodGet, "/_tuwunel/oidc/jwks", nil, "")
			if err != nil || !f.ready[i].Load() {
				break
			}
			sets = append(sets, string(a.Body))
		}
		if len(sets) == 3 && sets[0] == sets[1] && sets[1] == sets[2] && strings.Count(sets[0], `"kid"`) == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the servers do not come to have the same keys: %v", sets)
		}
		time.Sleep(healthInterval)
	}
}
