package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"keymaker/internal/probe"
	"keymaker/internal/secret"
)

// What nobody may make the server believe: addresses of RFC 5737, and a host of
// RFC 2606.
const (
	forgedAddress, otherAddress = "198.51.100.77", "203.0.113.77"
	forgedHost                  = "forged.invalid"
)

// forged are the headers of somebody who says to be somebody else, elsewhere.
var forged = [][2]string{
	{"X-Forwarded-For", forgedAddress}, {"X-Real-IP", otherAddress},
	{"Forwarded", "for=" + otherAddress + ";host=" + forgedHost + ";proto=gopher"},
	{"X-Forwarded-Host", forgedHost}, {"X-Forwarded-Proto", "gopher"}, {"X-Forwarded-Port", "70"},
}

// Errors of a server that does not tell whom it sees.
var (
	errRoute  = errors.New("it does not answer as Keymaker")
	errSecret = errors.New("the server has another secret file, or another clock, than doctor")
)

// seen asks the server at an address, with forged headers, whom it sees.
func (d *Doctor) seen(ctx context.Context, keys *probe.Keys, address string) (probe.Seen, error) {
	proof := keys.Proof(d.Clock.Now())
	a, err := d.ask(ctx, http.MethodPost, address, "", append(slices.Clone(forged), [2]string{"Authorization", "Bearer " + proof})...)
	switch {
	case err != nil:
		return probe.Seen{}, err
	case a.status == http.StatusUnauthorized:
		return probe.Seen{}, errSecret
	case a.status != http.StatusOK:
		return probe.Seen{}, fmt.Errorf("%w: %s", errRoute, a.says())
	}
	seen, err := keys.Read(proof, a.field("answer"))
	if err != nil {
		return probe.Seen{}, fmt.Errorf("%w: %w", errRoute, err)
	}
	return seen, nil
}

// probe are the keys of the secret file.
func (d *Doctor) probe() (*probe.Keys, error) {
	key, err := secret.ReadKey(d.Config.SecretFile)
	if err != nil {
		return nil, err
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		return nil, err
	}
	return probe.New(sealer)
}

const (
	noKeys  = "the secret file cannot be read, by which the server would answer"
	sameKey = "Run doctor with the configuration and the secret file of the server, restart the server, and let a time service set both clocks."
	restart = "Restart the server, so that it runs with this configuration."
)

// forwarded lies to the server through the proxy, as anybody outside can.
func (d *Doctor) forwarded(ctx context.Context) []Result {
	s := step{"proxy.forwarded", "asked " + d.at(probe.Path) + " with a forged X-Forwarded-For"}
	if d.unproxied() {
		return []Result{s.skipped("the public address is the server's own: there is no proxy")}
	}
	keys, err := d.probe()
	if err != nil {
		return []Result{s.skipped(noKeys)}
	}
	seen, err := d.seen(ctx, keys, d.at(probe.Path))
	switch {
	case errors.Is(err, errSecret):
		return []Result{s.failed(err.Error(), sameKey)}
	case errors.Is(err, errRoute):
		return []Result{s.failed(err.Error(), "Send this path to Keymaker, as all below /_tuwunel/: `keymaker snippet` prints how.")}
	case err != nil:
		return []Result{d.unreached(s, err)}
	}
	return []Result{d.throughProxy(s, seen)}
}

// unproxied tells whether the public address is where the server itself listens.
func (d *Doctor) unproxied() bool {
	u, err := url.Parse(d.Config.Issuer())
	return err == nil && u.Scheme == "http" && u.Port() == strconv.Itoa(d.Config.Port)
}

// throughProxy judges what the server has seen of a request by the proxy.
func (d *Doctor) throughProxy(s step, seen probe.Seen) Result {
	const replace = "Let the reverse proxy replace X-Forwarded-For by the address of the client: `keymaker snippet` prints how."
	hops := strings.Split(seen.Forwarded, ",")
	last := strings.TrimSpace(hops[len(hops)-1])
	_, invalid := netip.ParseAddr(last)
	switch {
	case isForged(last):
		return s.failed("the proxy passes on what the client says, "+last, replace)
	case isForged(seen.Address):
		return s.failed(fmt.Sprintf("the proxy adds to what the client says, and the server believes %s, for trusted_proxies has %.60q, as the proxy calls this machine", seen.Address, last),
			replace+" In trusted_proxies name the addresses of proxies alone.")
	case !d.trusts(seen.Peer):
		return s.failed(fmt.Sprintf("the proxy speaks to the server from %.60q, which it does not trust: so all clients are one to it, and share the rate limits", seen.Peer),
			"Add that address to global.trusted_proxies, if it is your reverse proxy's, and restart the server.")
	case invalid != nil:
		return s.failed(fmt.Sprintf("the proxy does not say who the client is: X-Forwarded-For ends in %.60q, so all clients are one to the server, and share the rate limits", last), replace)
	case seen.Address == seen.Peer && last != seen.Peer:
		return s.failed("the running server does not trust the proxy", restart)
	}
	return s.ok("it takes this machine for " + seen.Address)
}

func isForged(address string) bool { return address == forgedAddress || address == otherAddress }

// trusts tells whether the configuration does.
func (d *Doctor) trusts(address string) bool { return d.trustedAs(address).IsValid() }

// trustedAs is the network by which the configuration trusts an address.
func (d *Doctor) trustedAs(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	for _, p := range d.Config.TrustedProxies {
		if err == nil && p.Contains(addr.Unmap()) {
			return p
		}
	}
	return netip.Prefix{}
}

// address lies about the public address: every URL of the discovery is made from
// the configuration, whatever a client says.
func (d *Doctor) address(ctx context.Context) []Result {
	address := d.at(discoveryPath)
	s := step{"proxy.address", "asked " + address + " with a forged X-Forwarded-Host and X-Forwarded-Proto"}
	honest, err := d.ask(ctx, http.MethodGet, address, "")
	if err != nil {
		return []Result{d.unreached(s, err)}
	}
	lied, err := d.ask(ctx, http.MethodGet, address, "", forged...)
	if err != nil {
		return []Result{d.unreached(s, err)}
	}
	if honest.status != lied.status || !bytes.Equal(honest.body, lied.body) || bytes.Contains(lied.body, []byte(forgedHost)) {
		return []Result{s.failed("they change the answer: "+lied.says(), "Let the reverse proxy replace these headers and Forwarded, and make nothing of what a client says in them: `keymaker snippet` prints how.")}
	}
	return []Result{s.ok("they change nothing")}
}

// direct lies to the server without the proxy, wherever it listens.
func (d *Doctor) direct(ctx context.Context) []Result {
	var results []Result
	keys, err := d.probe()
	for _, host := range d.listening() {
		address := "http://" + net.JoinHostPort(host, strconv.Itoa(d.Config.Port)) + probe.Path
		s := step{"proxy.direct", "asked " + address + " with a forged X-Forwarded-For"}
		if err != nil {
			return []Result{s.skipped(noKeys)}
		}
		seen, err := d.seen(ctx, keys, address)
		switch {
		case errors.Is(err, errSecret):
			results = append(results, s.failed(err.Error(), sameKey))
		case err != nil:
			results = append(results, s.skipped("the server cannot be reached from here without the proxy: "+err.Error()))
		default:
			results = append(results, d.withoutProxy(s, seen))
		}
	}
	return results
}

// withoutProxy judges what the server has seen of a request by this machine.
func (d *Doctor) withoutProxy(s step, seen probe.Seen) Result {
	by := d.trustedAs(seen.Peer)
	believed := isForged(seen.Address)
	switch {
	case believed && !by.IsValid():
		return s.failed(fmt.Sprintf("the running server believes what %.60q says, which trusted_proxies does not hold", seen.Peer), restart)
	case !believed && by.IsValid():
		return s.failed(fmt.Sprintf("the running server does not believe what %.60q says, though trusted_proxies holds it", seen.Peer), restart)
	case !believed:
		return s.ok("it does not believe what " + seen.Peer + " says")
	case by.IsSingleIP() || by.Addr().IsLoopback():
		return s.ok("it believes what " + seen.Peer + " says, which is in trusted_proxies: a proxy may be there")
	}
	saw := fmt.Sprintf("it believes what %s says, as it believes everybody in %s who reaches this address", seen.Peer, by)
	const change = "Name the addresses of your reverse proxies alone in global.trusted_proxies, or let global.address be one that they alone reach."
	if by.Addr().IsPrivate() {
		return s.warning(saw, change)
	}
	return s.failed(saw, change)
}

// listening are the hosts of this machine where the server listens.
func (d *Doctor) listening() []string {
	var hosts []string
	for _, host := range d.Config.Address {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.IsUnspecified() {
			hosts = append(hosts, host)
			continue
		}
		for _, own := range d.Addresses() {
			if addr.Is6() || own.Is4() {
				hosts = append(hosts, own.String())
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// addresses are those of this machine that others can have a way to, and one
// that they have not.
func addresses() []netip.Addr {
	found := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	all, _ := net.InterfaceAddrs() // none: the loopback address is one
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			found = append(found, p.Addr().Unmap())
		}
	}
	return found
}
