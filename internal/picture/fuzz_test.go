package picture_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"keymaker/internal/picture"
)

// FuzzRead: whatever is sent, what is kept is a small JPEG or PNG that can be
// read again.
func FuzzRead(f *testing.F) {
	photo := asJPEG(halves(16, 8, red, blue))
	for _, seed := range [][]byte{
		photo, with(photo, exif(binary.BigEndian, 6)), with(photo, exif(binary.LittleEndian, 3)),
		asPNG(halves(8, 4, none, blue)), asGIF(halves(8, 4, red, none), halves(8, 4, blue, red)),
		file(f, "lossy.webp"), file(f, "lossless.webp"), file(f, "alpha.webp"),
		sizedPNG(5000, 5000), sizedGIF(4000, 4000), sizedWebP(4000, 4000), sizedJPEG(0xc2, 2000, 2000, 3),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := picture.Read(t.Context(), file)
		if err != nil {
			if !errors.Is(err, picture.ErrNoPicture) && !errors.Is(err, picture.ErrTooLarge) {
				t.Errorf("error %v", err)
			}
			return
		}
		m := pixels(t, p)
		if b := m.Bounds(); b.Dx() > picture.MaxSide || b.Dy() > picture.MaxSide || len(p.Content) > picture.MaxContent {
			t.Errorf("it has %v and %d bytes", b, len(p.Content))
		}
		small, err := picture.Thumbnail(t.Context(), p, 32, 16, true)
		if err != nil {
			t.Fatal(err)
		}
		if b := pixels(t, small).Bounds(); b.Dx() > 32 && b.Dy() > 16 {
			t.Errorf("a thumbnail has %v", b)
		}
	})
}
