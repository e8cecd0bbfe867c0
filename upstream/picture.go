package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"keymaker/internal/outbound"
	"keymaker/internal/picture"
)

const (
	claimPicture = "picture"

	// maxPictureURL is the longest URL of a picture in bytes.
	maxPictureURL = 2048
	// maxPictureRedirects is how often the address of a picture may lead on.
	maxPictureRedirects = 3
	// pictureTimeout bounds all requests for one picture.
	pictureTimeout = 15 * time.Second
)

// Why a provider's picture cannot be had. Neither says where it is: that is a
// claim. A picture that is none is a picture.ErrNoPicture, or an ErrTooLarge.
var (
	// ErrPictureAway: whoever has it does not answer now.
	ErrPictureAway = errors.New("the server that has the picture does not answer")
	// ErrPictureRefused: it is not asked for, or not given out.
	ErrPictureRefused = errors.New("the picture cannot be fetched")
)

// pictureURL is where the person's picture is, as the provider says; "" where
// that is no web address.
func pictureURL(c Claims) string {
	address := c.Text(claimPicture)
	u, err := url.Parse(address)
	if err != nil || len(address) > maxPictureURL || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsRune(address, 0) {
		return ""
	}
	return address
}

// FetchPicture gets the picture that is at a URL which the provider has said of a
// person. It may be anybody's choice: only public addresses are asked, and the
// hosts that the administrator has configured for the provider. Errors are
// ErrPictureAway, ErrPictureRefused, and those of picture.Read.
func (p *Provider) FetchPicture(ctx context.Context, address string) (picture.Picture, error) {
	limited, cancel := context.WithTimeout(ctx, pictureTimeout)
	defer cancel()
	file, err := p.pictureFile(limited, address)
	if err != nil {
		return picture.Picture{}, err
	}
	return picture.Read(ctx, file)
}

// pictureFile follows an address to a file.
func (p *Provider) pictureFile(ctx context.Context, address string) ([]byte, error) {
	for range 1 + maxPictureRedirects {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || !p.speaks(u.Scheme) {
			return nil, refusedPicture("it is at an address that is not asked")
		}
		file, next, err := p.askForPicture(ctx, u)
		if err != nil || next == "" {
			return file, err
		}
		if strings.HasPrefix(address, "https:") && !strings.HasPrefix(next, "https:") {
			return nil, refusedPicture("a redirect leaves https")
		}
		address = next
	}
	return nil, refusedPicture("there are too many redirects")
}

// askForPicture returns what is at an address, or where that leads.
func (p *Provider) askForPicture(ctx context.Context, u *url.URL) (file []byte, next string, err error) {
	client := p.strangers
	if p.isOwn(u) {
		client = p.own
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", refusedPicture("its address cannot be read")
	}
	r.Header.Set("Accept", "image/*")
	answer, err := client.Do(r)
	switch {
	case outbound.Refused(err):
		return nil, "", refusedPicture("it is at an address that is not public")
	case err != nil:
		return nil, "", ErrPictureAway
	}
	defer func() { _ = answer.Body.Close() }()
	switch status := answer.StatusCode; {
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		to, err := answer.Location()
		if err != nil {
			return nil, "", refusedPicture("a redirect leads nowhere")
		}
		return nil, to.String(), nil
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return nil, "", fmt.Errorf("%w: its status is %d", ErrPictureAway, status)
	case status != http.StatusOK:
		return nil, "", refusedPicture(fmt.Sprintf("the status is %d", status))
	}
	file, err = io.ReadAll(answer.Body)
	switch {
	case errors.Is(err, outbound.ErrTooLarge):
		return nil, "", picture.ErrTooLarge
	case err != nil:
		return nil, "", ErrPictureAway
	}
	return file, "", nil
}

func refusedPicture(why string) error { return fmt.Errorf("%w: %s", ErrPictureRefused, why) }

// configured are the URLs of the provider that the administrator has written.
func (p *Provider) configured() []*url.URL {
	var urls []*url.URL
	c := p.config
	for _, address := range []string{c.IssuerURL, c.DiscoveryURL, c.AuthorizationURL, c.TokenURL, c.UserinfoURL} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

// isOwn tells whether a URL is on a host and port that the administrator has
// written: there the provider may be in a private network.
func (p *Provider) isOwn(u *url.URL) bool {
	return slices.ContainsFunc(p.configured(), func(own *url.URL) bool { return own.Scheme == u.Scheme && own.Host == u.Host })
}

// speaks tells whether a picture may come by a scheme: without TLS it may where
// the provider itself is spoken to without.
func (p *Provider) speaks(scheme string) bool {
	return scheme == "https" || scheme == "http" && slices.ContainsFunc(p.configured(), func(own *url.URL) bool { return own.Scheme == "http" })
}
