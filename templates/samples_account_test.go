package templates

import "time"

func sampleFrame(current Section) AccountFrame {
	frame := AccountFrame{UserID: "@alice:example.org", SwitchURL: "/switch", Current: current}
	for _, s := range sections {
		frame.Sections = append(frame.Sections, SectionLink{s, "/account?action=" + string(s)})
	}
	return frame
}

func samplePlaces() []Place {
	first, last := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	places := []Place{
		{Name: "Element X on Alice's phone", App: "Element X", Host: "element.io", DeviceID: "AAABBBCCCDDD", Provider: "Keycloak", Address: "2001:db8::7",
			OIDC: true, ThisBrowser: true},
		{DeviceID: "EEEFFFGGGHHH", Provider: "GitHub", Stale: true},
		{App: "Wiki", Host: "wiki.example.com", Provider: "Keycloak"},
		{Name: "Old phone", DeviceID: "JJJKKKLLLMMM", OIDC: true, SignedOut: true, Stale: true},
		{},
	}
	for i := range places {
		places[i].Key, places[i].URL, places[i].End = "key", "/account/view", "/account/end"
		places[i].FirstSeenAt, places[i].LastSeenAt = first, last
	}
	return places
}

// accountSamples are the account pages among the samples.
func accountSamples() map[string]Page {
	frame, places := sampleFrame(SectionSessions), samplePlaces()
	all := map[string]Page{
		"account":               AccountHome{AccountFrame: sampleFrame(SectionHome), Provider: "Keycloak", SignIns: places[:2], Known: sampleForm},
		"account without news":  AccountHome{AccountFrame: AccountFrame{UserID: "@alice:example.org"}, Provider: "Keycloak"},
		"sessions":              AccountSessions{AccountFrame: frame, Form: sampleForm, Places: places, OthersURL: "/others", Previous: "/1", Next: "/3"},
		"sessions without any":  AccountSessions{AccountFrame: frame, Form: sampleForm, Gone: true},
		"end other sessions":    EndSessions{AccountFrame: frame, Form: sampleForm, Others: true},
		"end several sessions":  EndSessions{AccountFrame: frame, Form: sampleForm, Places: places},
		"end a website session": EndSessions{AccountFrame: frame, Form: sampleForm, Places: places[2:3]},
		"switch":                SwitchAccount{UserID: "@alice:example.org", Wanted: "@bob:example.org", SwitchURL: "/switch", StayURL: "/stay"},
	}
	for _, p := range places {
		all["session "+p.Title()] = AccountSession{AccountFrame: frame, Form: sampleForm, Place: p}
	}
	return all
}
