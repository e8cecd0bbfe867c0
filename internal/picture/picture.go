// Package picture makes the profile picture that is kept out of whatever
// somebody sends as one. What comes out is drawn anew from the pixels: of the
// file nothing is left, neither where a photo was taken nor anything else that
// was hidden in it.
package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"time"
)

const (
	// MaxFile is the largest file that is read, in bytes.
	MaxFile = 8 << 20
	// MaxPixels is how many pixels a file may have: those of a good camera.
	MaxPixels = 25_000_000
	// MaxSide is the longest side of a picture that is kept, in pixels.
	MaxSide = 640
	// MaxContent is the largest picture that is kept, in bytes.
	MaxContent = 1 << 20

	// maxTime bounds the work on one file: some take long for their size.
	maxTime = 10 * time.Second
	quality = 90 // of a JPEG
)

var (
	// ErrTooLarge is returned for a file of too many bytes or pixels.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrNoPicture is returned for a file that is no PNG, JPEG, GIF or WebP, or is
	// a broken one.
	ErrNoPicture = errors.New("the file is not a picture that can be read")
)

// The types of pictures that are kept.
const (
	TypeJPEG = "image/jpeg"
	TypePNG  = "image/png"
)

// Picture is a picture as it is kept: a JPEG, or a PNG where something shows
// through it.
type Picture struct {
	ContentType string
	Content     []byte
}

// Read makes a picture of a PNG, JPEG, WebP or the first frame of a GIF, of at
// most MaxSide pixels on a side, the way up in which the camera was held. Errors
// are ErrTooLarge, ErrNoPicture, or that of a context that ended while others
// were being read.
func Read(ctx context.Context, file []byte) (Picture, error) {
	if len(file) > MaxFile {
		return Picture{}, ErrTooLarge
	}
	var p Picture
	err := decode(ctx, file, func(m image.Image) error {
		b := m.Bounds()
		for side := MaxSide; ; side /= 2 {
			w, h := within(b.Dx(), b.Dy(), side)
			var err error
			p, err = encode(upright(scale(m, b, w, h), orientation(file)), "")
			if err != nil || len(p.Content) <= MaxContent {
				return err
			}
		}
	})
	return p, err
}

// within are the sides of a picture that is made to fit into a square, and never
// larger than it was.
func within(w, h, side int) (int, int) {
	switch {
	case w <= side && h <= side:
		return w, h
	case w >= h:
		return side, max(1, h*side/w)
	}
	return max(1, w*side/h), side
}

// encode writes a picture, as contentType or, with "", as what suits it.
func encode(m *image.RGBA, contentType string) (Picture, error) {
	if contentType == "" {
		contentType = TypePNG
		if m.Opaque() {
			contentType = TypeJPEG
		}
	}
	var b bytes.Buffer
	var err error
	if contentType == TypeJPEG {
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	} else {
		err = png.Encode(&b, m)
	}
	if err != nil {
		return Picture{}, fmt.Errorf("encode a picture: %w", err)
	}
	return Picture{ContentType: contentType, Content: b.Bytes()}, nil
}
