package templates

import "time"

// samplePicture is where the samples have a person's picture.
const samplePicture = "/account/picture"

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
		"account":               AccountHome{AccountFrame: sampleFrame(SectionHome), Provider: "Keycloak", SignIns: places[:2], Known: sampleForm, SignOut: sampleForm, CloseURL: "/close"},
		"account without news":  AccountHome{AccountFrame: AccountFrame{UserID: "@alice:example.org"}, Provider: "Keycloak", SignOut: sampleForm},
		"sessions":              AccountSessions{AccountFrame: frame, Form: sampleForm, Places: places, OthersURL: "/others", Previous: "/1", Next: "/3"},
		"sessions without any":  AccountSessions{AccountFrame: frame, Form: sampleForm, Gone: true},
		"end other sessions":    EndSessions{AccountFrame: frame, Form: sampleForm, Others: true},
		"end several sessions":  EndSessions{AccountFrame: frame, Form: sampleForm, Places: places},
		"end a website session": EndSessions{AccountFrame: frame, Form: sampleForm, Places: places[2:3]},
		"reset devices":         ResetDevices{AccountFrame: sampleFrame(SectionReset), Places: places},
		"reset without devices": ResetDevices{AccountFrame: sampleFrame(SectionReset)},
		"reset of some devices": ResetDevices{AccountFrame: sampleFrame(SectionReset), Places: places[:1], Unprovable: []string{"GitHub", "Twitter"}},
		"reset of no device":    ResetDevices{AccountFrame: sampleFrame(SectionReset), Unprovable: []string{"GitHub"}},
		"reset":                 Reset{Form: sampleForm, UserID: "@alice:example.org", Place: places[0]},
		"auth done":             AuthDone{},
		"switch":                SwitchAccount{UserID: "@alice:example.org", Wanted: "@bob:example.org", SwitchURL: "/switch", StayURL: "/stay"},
	}
	var events []ActivityEvent
	for i, action := range append(activityActions, "something_else") {
		e := ActivityEvent{Action: action, Actor: activityActors[i%len(activityActors)], At: places[0].LastSeenAt, App: "Element X", Device: "Phone", Provider: "Keycloak"}
		if action == "session_started" {
			e.EndURL = "/account/end"
		}
		events = append(events, e)
	}
	const perPage = 25 // as handlers shows them
	all["activity"] = AccountActivity{AccountFrame: sampleFrame(SectionActivity), Events: events[:perPage], Previous: "/1", Next: "/3"}
	all["activity before"] = AccountActivity{AccountFrame: sampleFrame(SectionActivity), Events: events[perPage:], Previous: "/2"}
	all["activity of nothing"] = AccountActivity{AccountFrame: sampleFrame(SectionActivity)}
	events = nil
	for _, reason := range append(activityReasons, "something_else") {
		events = append(events, ActivityEvent{Action: "session_ended", Actor: "somebody", Reason: reason, At: places[0].LastSeenAt})
	}
	all["activity of ends"] = AccountActivity{AccountFrame: sampleFrame(SectionActivity), Events: events}
	profile := AccountProfile{AccountFrame: sampleFrame(SectionProfile), Form: sampleForm, Picture: sampleForm, RemovePicture: sampleForm,
		DisplayName: "Alice", Email: "alice@example.org", PictureURL: samplePicture,
		PictureSources: []PictureSource{{Provider: "Keycloak", Account: "alice@example.org", Form: sampleForm}, {Provider: "GitHub", Form: sampleForm}}}
	all["profile"] = profile
	for _, kind := range []PictureProblemKind{PictureTooLarge, PictureUnreadable} {
		profile.PictureProblem = PictureProblem{Kind: kind}
		all["profile with a picture that is "+string(kind)] = profile
	}
	profile.PictureProblem = PictureProblem{Kind: PictureNotTaken, Provider: "Keycloak"}
	all["profile with a picture that is not taken"] = profile
	all["profile without a picture"] = AccountProfile{AccountFrame: sampleFrame(SectionProfile), Form: sampleForm, Picture: sampleForm, DisplayName: "Alice"}
	all["profile that is managed"] = AccountProfile{AccountFrame: sampleFrame(SectionProfile), DisplayName: "Alice", ManagedBy: "Keycloak", PictureManagedBy: "Keycloak", PictureURL: samplePicture}
	all["profile that is suspended"] = AccountProfile{AccountFrame: sampleFrame(SectionProfile), DisplayName: "Alice", Suspended: true, PictureURL: samplePicture}
	all["profile, pictures elsewhere"] = AccountProfile{AccountFrame: sampleFrame(SectionProfile), Form: sampleForm, DisplayName: "Alice", WithoutPicture: true}
	link := Link{Provider: "Keycloak", Account: "alice@example.org", LinkedAt: places[0].LastSeenAt, Here: true, UnlinkURL: "/unlink"}
	ways := []Provider{{Name: "Keycloak", URL: "/keycloak"}, {Name: "GitHub", URL: "/github"}}
	all["links"] = AccountLinks{AccountFrame: sampleFrame(SectionLinks), Links: []Link{link, {Provider: "GitHub", LinkedAt: places[0].LastSeenAt}}, Others: ways}
	all["links, only one"] = AccountLinks{AccountFrame: sampleFrame(SectionLinks), Links: []Link{{Provider: "GitHub", LinkedAt: places[0].LastSeenAt}}}
	all["links that cannot be changed"] = AccountLinks{AccountFrame: sampleFrame(SectionLinks), Links: []Link{{Provider: "GitHub", LinkedAt: places[0].LastSeenAt}}, CannotProve: true}
	all["link that cannot be proved"] = LinkAccount{Provider: "Keycloak", Account: "alice", UserID: "@alice:example.org"}
	all["deactivate that cannot be proved"] = Deactivate{AccountFrame: sampleFrame(SectionHome)}
	all["link"] = LinkAccount{Provider: "GitHub", Account: "alice", UserID: "@alice:example.org", Ways: ways}
	all["link a taken name"] = LinkAccount{Provider: "GitHub", UserID: "@alice:example.org", Taken: true, NewName: &sampleForm, OtherURL: "/other", Ways: ways}
	all["link that is proved"] = LinkAccount{Form: sampleForm, Provider: "GitHub", Account: "alice", UserID: "@alice:example.org", Proved: true}
	all["link a taken name that is proved"] = LinkAccount{Form: sampleForm, Provider: "GitHub", UserID: "@alice:example.org", Taken: true, Proved: true}
	all["unlink"] = UnlinkAccount{AccountFrame: sampleFrame(SectionLinks), Link: link, Ways: ways}
	all["unlink that is proved"] = UnlinkAccount{AccountFrame: sampleFrame(SectionLinks), Form: sampleForm, Link: link, Proved: true}
	all["deactivate"] = Deactivate{AccountFrame: sampleFrame(SectionHome), Ways: ways}
	all["deactivate that is proved"] = Deactivate{AccountFrame: sampleFrame(SectionHome), Form: sampleForm, Proved: true}
	for _, p := range places {
		name := "session " + p.Title()
		switch {
		case p.Title() == "":
			name = "session without a name"
		case p.DeviceID == "":
			name = "session of a website, " + p.Title()
		}
		all[name] = AccountSession{AccountFrame: frame, Form: sampleForm, Place: p}
	}
	return all
}
