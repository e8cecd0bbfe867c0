package doctor_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"keymaker/internal/doctor"
	"keymaker/internal/probe"
	"keymaker/internal/secret"
)

// network is who speaks to the server, and whom it believes.
type network struct {
	// proxy is what the proxy says in X-Forwarded-For, of what the client said and
	// of the client's address.
	proxy func(said, client string) string
	// peer is the address of the proxy, direct that of this machine without it,
	// client what the proxy calls it.
	peer, direct, client string
	// trusted are whom the running server believes, and file and clock what it has.
	trusted []netip.Prefix
	file    string
	clock   func() time.Time
}

func networks(all ...string) []netip.Prefix {
	var found []netip.Prefix
	for _, text := range all {
		found = append(found, netip.MustParsePrefix(text))
	}
	return found
}

// The ways of proxies.
func replaces(_, client string) string  { return client }
func adds(said, client string) string   { return said + ", " + client }
func passesOn(said, _ string) string    { return said }
func saysNothing(_, _ string) string    { return "" }
func saysUnknown(said, _ string) string { return said + ", unknown" }

// listen starts the server, which trusts the proxies of this machine, and returns
// where it listens.
func (n *network) listen(t *testing.T, file string) (host string, port int) {
	t.Helper()
	*n = network{proxy: replaces, peer: "127.0.0.1", direct: "127.0.0.1", client: "192.0.2.9", trusted: networks("127.0.0.0/8"), file: file, clock: time.Now}
	s := httptest.NewServer(routes{"POST " + probe.Path: func(w http.ResponseWriter, r *http.Request) {
		n.answer(w, r, n.direct, r.Header.Get("X-Forwarded-For"))
	}})
	t.Cleanup(s.Close)
	host, text, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// throughProxy is the server behind the proxy.
func (n *network) throughProxy(w http.ResponseWriter, r *http.Request) {
	n.answer(w, r, n.peer, n.proxy(r.Header.Get("X-Forwarded-For"), n.client))
}

// answer answers as the server does.
func (n *network) answer(w http.ResponseWriter, r *http.Request, peer, forwarded string) {
	key, err := secret.ReadKey(n.file)
	if err != nil {
		matrix(http.StatusInternalServerError, "M_UNKNOWN")(w, r)
		return
	}
	sealer, _ := secret.NewSealer(key)
	keys, _ := probe.New(sealer)
	proof := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	answer, err := keys.Answer(proof, n.clock(), probe.Seen{Address: n.believes(peer, forwarded), Peer: peer, Forwarded: forwarded})
	if err != nil {
		object(http.StatusUnauthorized, `{"error":"invalid_token"}`)(w, r)
		return
	}
	text, _ := json.Marshal(map[string]string{"answer": answer})
	object(http.StatusOK, string(text))(w, r)
}

// believes is whom the server takes for the client.
func (n *network) believes(peer, forwarded string) string {
	hops := strings.Split(forwarded, ",")
	for i := len(hops) - 1; i >= 0 && n.trusts(peer); i-- {
		if _, err := netip.ParseAddr(strings.TrimSpace(hops[i])); err != nil {
			break
		}
		peer = strings.TrimSpace(hops[i])
	}
	return peer
}

func (n *network) trusts(address string) bool {
	for _, p := range n.trusted {
		if p.Contains(netip.MustParseAddr(address)) {
			return true
		}
	}
	return false
}

func TestForgedAddressesAreFound(t *testing.T) {
	trust := func(w *world, all ...string) {
		w.network.trusted, w.config.TrustedProxies = networks(all...), networks(all...)
	}
	for _, tt := range []struct {
		name        string
		spoil       func(*world)
		finds, says string
	}{
		{"a proxy that passes on what clients say", func(w *world) { w.network.proxy = passesOn }, "proxy.forwarded", "passes on what the client says, 198.51.100.77"},
		{"a proxy that adds to it, where this machine is trusted", func(w *world) { w.network.proxy, w.network.client = adds, "127.0.0.1" }, "proxy.forwarded", `trusted_proxies has "127.0.0.1"`},
		{"a proxy that makes it of another header", func(w *world) {
			w.network.proxy = func(string, string) string { return "203.0.113.77" }
		}, "proxy.forwarded", "passes on what the client says, 203.0.113.77"},
		{"a proxy that says nothing", func(w *world) { w.network.proxy = saysNothing }, "proxy.forwarded", `ends in ""`},
		{"a proxy that says what is no address", func(w *world) { w.network.proxy = saysUnknown }, "proxy.forwarded", `ends in "unknown"`},
		{"a proxy that is not trusted", func(w *world) { w.network.peer = "172.18.0.2" }, "proxy.forwarded", `from "172.18.0.2", which it does not trust`},
		{"a server that does not trust it yet", func(w *world) {
			w.network.peer = "172.18.0.2"
			w.config.TrustedProxies = networks("127.0.0.0/8", "172.18.0.2/32")
		}, "proxy.forwarded", "the running server does not trust the proxy: Restart"},
		{"a proxy that does not send it here", func(w *world) { delete(w.public, "POST "+probe.Path) }, "proxy.forwarded", "404 Not Found"},
		{"a proxy that keeps an answer for later", func(w *world) {
			w.public["POST "+probe.Path] = object(200, `{"answer":"AAAA"}`)
		}, "proxy.forwarded", "the answer is not to this question"},
		{"a proxy that sends it to a server with another secret file", func(w *world) {
			w.public["POST "+probe.Path] = object(401, `{"error":"invalid_token"}`)
		}, "proxy.forwarded", "another secret file"},
		{"a host that clients choose", func(w *world) {
			w.public["GET /.well-known/openid-configuration"] = func(rw http.ResponseWriter, r *http.Request) {
				object(200, `{"issuer":"`+issuer+`","token_endpoint":"https://`+r.Header.Get("X-Forwarded-Host")+`/token"}`)(rw, r)
			}
		}, "proxy.address", "they change the answer"},
		{"a scheme that clients choose", func(w *world) {
			w.public["GET /.well-known/openid-configuration"] = func(rw http.ResponseWriter, r *http.Request) {
				object(200, `{"issuer":"`+issuer+`","x":"`+r.Header.Get("X-Forwarded-Proto")+`"}`)(rw, r)
			}
		}, "proxy.address", "they change the answer"},
		{"a proxy that refuses them", func(w *world) {
			good := w.public["GET /.well-known/openid-configuration"]
			w.public["GET /.well-known/openid-configuration"] = func(rw http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Forwarded") != "" {
					good = object(400, "")
				}
				good(rw, r)
			}
		}, "proxy.address", "400 Bad Request"},
		{"a server that believes half the world", func(w *world) {
			trust(w, "127.0.0.1/32", "128.0.0.0/1")
			w.network.direct = "192.0.2.9"
		}, "proxy.direct", "everybody in 128.0.0.0/1"},
		{"a server that believes whom its configuration does not name", func(w *world) {
			w.network.direct, w.network.trusted = "10.0.0.5", networks("127.0.0.0/8", "10.0.0.0/8")
		}, "proxy.direct", `believes what "10.0.0.5" says, which trusted_proxies does not hold: Restart`},
		{"a server that does not believe whom its configuration names", func(w *world) {
			w.network.direct, w.config.TrustedProxies = "10.0.0.5", networks("127.0.0.0/8", "10.0.0.5/32")
		}, "proxy.direct", `does not believe what "10.0.0.5" says, though`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(w)
			w.fails(t, tt.finds, tt.says)
		})
	}
}

func TestAServerWithAnotherClockDoesNotAnswerTheDoctor(t *testing.T) {
	w := newWorld(t)
	w.network.clock = func() time.Time { return w.options.Clock.Now().Add(2 * time.Minute) }
	for check, r := range w.found(t) {
		if (check == "proxy.forwarded" || check == "proxy.direct") != (r.State == doctor.Failed && strings.Contains(r.Saw, "another clock")) {
			t.Errorf("%+v", r)
		}
	}
}

// found are the results by the names of the checks.
func (w *world) found(t *testing.T) map[string]doctor.Result {
	t.Helper()
	all := map[string]doctor.Result{}
	for _, r := range w.examine(t) {
		all[r.Check] = r
	}
	return all
}

func TestWhatIsNoForgery(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*world)
		check string
		state doctor.State
		says  string
	}{
		{"a proxy that adds to what clients say is believed for what it adds", func(w *world) { w.network.proxy = adds }, "proxy.forwarded", doctor.OK, "192.0.2.9"},
		{"proxy and doctor may be one machine", func(w *world) { w.network.client = "127.0.0.1" }, "proxy.forwarded", doctor.OK, "127.0.0.1"},
		{"a proxy of this machine is believed", func(*world) {}, "proxy.direct", doctor.OK, "which is in trusted_proxies"},
		{"another address of this machine is not", func(w *world) { w.network.direct = "192.0.2.9" }, "proxy.direct", doctor.OK, "does not believe what 192.0.2.9 says"},
		{"a private network is a warning", func(w *world) {
			w.network.direct = "10.0.0.5"
			w.network.trusted = networks("127.0.0.0/8", "10.0.0.0/8")
			w.config.TrustedProxies = w.network.trusted
		}, "proxy.direct", doctor.Warning, "everybody in 10.0.0.0/8"},
		{"a server that this machine does not reach is skipped", func(w *world) { w.config.Port = 1 }, "proxy.direct", doctor.Skipped, "without the proxy"},
		{"a public address without a proxy is skipped", func(w *world) {
			w.config.WellKnown.Client = "http://localhost:" + strconv.Itoa(w.config.Port)
		}, "proxy.forwarded", doctor.Skipped, "there is no proxy"},
		{"without the secret file nobody asks", func(w *world) { w.config.SecretFile += ".gone" }, "proxy.forwarded", doctor.Skipped, "secret file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(w)
			if r := w.found(t)[tt.check]; r.State != tt.state || !strings.Contains(r.Saw, tt.says) || (r.Change != "") != (tt.state == doctor.Warning) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestEveryAddressOfThisMachineIsTried(t *testing.T) {
	w := newWorld(t)
	w.config.Address = []string{"0.0.0.0", "127.0.0.1"}
	w.options.Addresses = func() []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("2001:db8::1")}
	}
	var tried []string
	for _, r := range w.examine(t) {
		if r.Check == "proxy.direct" {
			tried = append(tried, strings.TrimPrefix(r.Did, "asked http://"))
		}
	}
	if len(tried) != 2 || !strings.HasPrefix(tried[0], "127.0.0.1:") || !strings.HasPrefix(tried[1], "127.0.0.2:") {
		t.Errorf("tried are %q", tried)
	}
}
