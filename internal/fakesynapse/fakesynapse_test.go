package fakesynapse_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/clock"
	"keymaker/internal/fakesynapse"
)

// only is the fake, where there is nothing to compare it with.
func only(t *testing.T) (s *fakesynapse.Synapse, tt *target, c *clock.Manual) {
	t.Helper()
	c = clock.NewManual(time.Unix(1_800_000_000, 0))
	a := newAuthorization(t)
	s, at := fakesynapse.Start(t, c)
	s.Delegate(a.URL, sharedSecret)
	return s, &target{T: t, url: at, authorization: a}, c
}

// try makes a call, and tells how it ended: 0 is without an answer.
func (tt *target) try(ctx context.Context, name, body string) (status int) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, tt.url+"/_synapse/mas/"+name, strings.NewReader(body))
	if err != nil {
		tt.Error(err)
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+sharedSecret)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

const makeAlice = `{"localpart":"alice"}`

func TestFaults(t *testing.T) {
	t.Run("down, it does nothing and says nothing", func(t *testing.T) {
		s, tt, _ := only(t)
		s.Down()
		if status := tt.try(t.Context(), "provision_user", makeAlice); status != 0 || len(s.Localparts()) != 0 {
			t.Errorf("%d, %v", status, s.Localparts())
		}
		s.Recover()
		if status := tt.try(t.Context(), "provision_user", makeAlice); status != 201 {
			t.Errorf("%d", status)
		}
	})
	t.Run("it fails for as often as it should", func(t *testing.T) {
		s, tt, _ := only(t)
		s.FailNext(2, 502)
		for _, want := range []int{502, 502, 201} {
			if status := tt.try(t.Context(), "provision_user", makeAlice); status != want {
				t.Errorf("%d, want %d", status, want)
			}
		}
	})
	t.Run("an answer that is lost is of something that was done", func(t *testing.T) {
		s, tt, _ := only(t)
		s.LoseNext(1)
		for _, want := range []int{0, 200} {
			if status := tt.try(t.Context(), "provision_user", makeAlice); status != want {
				t.Errorf("%d, want %d", status, want)
			}
		}
	})
}

// begin makes a call in a bubble of synctest, and returns where its status will
// be; 0 is without an answer.
func begin(ctx context.Context, s *fakesynapse.Synapse) (status func() int) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/_synapse/mas/provision_user", strings.NewReader(makeAlice))
	r.Header.Set("Authorization", "Bearer "+sharedSecret)
	answered := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		defer func() {
			if recover() != nil {
				answered <- 0
				return
			}
			answered <- w.Code
		}()
		s.ServeHTTP(w, r)
	}()
	synctest.Wait()
	return func() int { return <-answered }
}

func TestFaultsThatTakeTime(t *testing.T) {
	start := func() *fakesynapse.Synapse {
		s := fakesynapse.New(clock.System{})
		s.Delegate("http://127.0.0.1:9", sharedSecret)
		return s
	}
	t.Run("hanging, it answers when it recovers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := start()
			s.Hang()
			status := begin(t.Context(), s)
			if len(s.Localparts()) != 0 || len(s.Calls()) != 1 {
				t.Errorf("users %v, calls %v", s.Localparts(), s.Calls())
			}
			s.Recover()
			if got := status(); got != 201 {
				t.Errorf("%d", got)
			}
		})
	})
	t.Run("hanging, it lets the caller go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := start()
			s.Hang()
			ctx, cancel := context.WithCancel(t.Context())
			status := begin(ctx, s)
			cancel()
			if got := status(); got != 0 || len(s.Localparts()) != 0 {
				t.Errorf("%d, users %v", got, s.Localparts())
			}
		})
	})
	t.Run("slow, it takes its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := start()
			s.Slow(time.Minute)
			began := time.Now()
			if got := begin(t.Context(), s)(); got != 201 || time.Since(began) != time.Minute {
				t.Errorf("%d after %s", got, time.Since(began))
			}
		})
	})
}

func TestCallsAreRecorded(t *testing.T) {
	s, tt, _ := only(t)
	tt.try(t.Context(), "provision_user", makeAlice)
	tt.try(t.Context(), "provision_user", "[]")
	s.LoseNext(1)
	tt.try(t.Context(), "sync_devices", `{"localpart":"alice","devices":["A"]}`)
	tt.do(t, http.MethodGet, "/_synapse/mas/query_user?localpart=alice", http.Header{"Authorization": {"Bearer " + sharedSecret}}, "")
	tt.do(t, http.MethodGet, "/_synapse/mas/query_user?localpart=alice", nil, "")
	want := []fakesynapse.Call{
		{Name: "provision_user", Body: map[string]any{"localpart": "alice"}, Status: 201},
		{Name: "provision_user", Status: 400},
		{Name: "sync_devices", Body: map[string]any{"localpart": "alice", "devices": []any{"A"}}},
		{Name: "query_user", Body: map[string]any{"localpart": "alice"}, Status: 200},
		{Name: "query_user", Status: 401},
	}
	if diff := cmp.Diff(want, s.Calls()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if s.Forget(); len(s.Calls()) != 0 {
		t.Error("they are not forgotten")
	}
}

// What a real one does here takes more than the provisioning API to see.
func TestWhatSynapseItselfKnows(t *testing.T) {
	s, tt, c := only(t)
	s.Reserve("bot_")
	s.SetUser("Old", fakesynapse.User{DisplayName: "Old", Suspended: true, Emails: []string{"old@x"}})
	s.SetUser("alice", fakesynapse.User{Devices: map[string]string{"A": "", "DRY": "Dehydrated"}, Dehydrated: "DRY", CrossSigning: true})
	for _, step := range []step{
		no("is_localpart_available?localpart=bot_1", "", 400, "M_EXCLUSIVE", "This user ID is reserved by an application service."),
		no("provision_user", `{"localpart":"bot_1"}`, 400, "M_EXCLUSIVE", ""),
		no("is_localpart_available?localpart=old", "", 400, "M_USER_IN_USE", "User ID already taken."),
		no("provision_user", `{"localpart":"old"}`, 400, "M_USER_IN_USE", ""),
		{call: "query_user?localpart=Old", status: 200, answer: `{"user_id":"@Old:example.com","display_name":"Old","avatar_url":null,"is_suspended":true,"is_deactivated":false}`},
		ok("sync_devices", `{"localpart":"alice","devices":["B"]}`, 200),
		ok("allow_cross_signing_reset", `{"localpart":"alice"}`, 200),
	} {
		tt.expectStep(t, step, func(s string) string { return s })
	}
	want := fakesynapse.User{Devices: map[string]string{"B": "", "DRY": "Dehydrated"}, Dehydrated: "DRY", CrossSigning: true, ResetUntil: c.Now().Add(10 * time.Minute)}
	if got, there := s.User("alice"); !there || cmp.Diff(want, got) != "" {
		t.Errorf("-want +got\n%s", cmp.Diff(want, got))
	}
	if s.RemoveUser("alice"); !cmp.Equal(s.Localparts(), []string{"Old"}) {
		t.Errorf("there are %v", s.Localparts())
	}
	s.Delegate("", "")
	if status, _ := tt.post(t, "provision_user", makeAlice); status != http.StatusNotFound {
		t.Errorf("without a secret it answers %d", status)
	}
}

func TestTimePasses(t *testing.T) {
	s, tt, c := only(t)
	s.SetUser("alice", fakesynapse.User{})
	ask := func(token string, want int) {
		t.Helper()
		if a := s.Ask(t.Context(), token); a.Status != want {
			t.Errorf("%+v; want %d", a, want)
		}
	}
	asked := func(want int) {
		t.Helper()
		if _, bodies := tt.asked(); len(bodies) != want {
			t.Errorf("it has asked %d times, want %d", len(bodies), want)
		}
	}
	long := tt.says(200, `{"active":true,"scope":"`+api+` urn:synapse:admin:*","username":"alice","expires_in":300}`)
	ask(long, 200)
	c.Advance(2*time.Minute - time.Millisecond)
	ask(long, 200)
	asked(1)
	c.Advance(time.Millisecond)
	ask(long, 200)
	asked(2)
	if a := s.Ask(t.Context(), long); !a.Admin || a.UserID != "@alice:example.com" {
		t.Errorf("%+v", a)
	}

	short := tt.says(200, `{"active":true,"scope":"`+api+`","username":"alice","expires_in":60}`)
	ask(short, 200)
	c.Advance(time.Minute - time.Millisecond)
	ask(short, 200)
	c.Advance(time.Millisecond)
	ask(short, 401)
	asked(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := s.Ask(ctx, tt.says(200, `{"active":false}`)); a.Status != 503 {
		t.Errorf("whoever does not wait is answered %+v", a)
	}
}

func TestQuestionsAtOnceAreOne(t *testing.T) {
	s, tt, _ := only(t)
	s.SetUser("alice", fakesynapse.User{})
	token := tt.says(200, `{"active":true,"scope":"`+api+`","username":"alice"}`)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if a := s.Ask(t.Context(), token); a.Status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
	wg.Wait()
	if _, bodies := tt.asked(); len(bodies) != 1 {
		t.Errorf("it has asked %d times", len(bodies))
	}
}

func TestMetadata(t *testing.T) {
	var document string
	s, tt, _ := only(t)
	tt.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			t.Errorf("it has asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, document)
	})
	for text, good := range map[string]bool{
		`{"issuer":"https://a/","account_management_uri":"https://a/account"}`: true,
		`{"issuer":"https://a/"}`:                             false,
		`{"issuer":1,"account_management_uri":"https://a/x"}`: false,
		`[]`: false, ``: false,
	} {
		document = text
		issuer, account, err := s.Metadata(t.Context())
		if (err == nil) != good || good && (issuer != "https://a/" || account != "https://a/account") {
			t.Errorf("%s: %q, %q, %v", text, issuer, account, err)
		}
	}
	tt.Close()
	if _, _, err := s.Metadata(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
