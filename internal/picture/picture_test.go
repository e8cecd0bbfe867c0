package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"keymaker/internal/picture"
)

// pixels decodes a picture that is kept.
func pixels(t *testing.T, p picture.Picture) image.Image {
	t.Helper()
	decode := map[string]func(*bytes.Reader) (image.Image, error){
		picture.TypeJPEG: func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		picture.TypePNG:  func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
	}[p.ContentType]
	if decode == nil {
		t.Fatalf("the type is %q", p.ContentType)
	}
	m, err := decode(bytes.NewReader(p.Content))
	if err != nil {
		t.Fatalf("it is no %s: %v", p.ContentType, err)
	}
	return m
}

func read(t *testing.T, file []byte) picture.Picture {
	t.Helper()
	p, err := picture.Read(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// near tells whether a pixel is about as it should be: a JPEG is not exact.
func near(c color.Color, want color.NRGBA) bool {
	got, _ := color.NRGBAModel.Convert(c).(color.NRGBA)
	far := func(a, b uint8) bool { return max(a, b)-min(a, b) > 40 }
	return got.A == 0 && want.A == 0 || !far(got.R, want.R) && !far(got.G, want.G) && !far(got.B, want.B) && !far(got.A, want.A)
}

func TestReadMakesAPictureOfEveryFormat(t *testing.T) {
	half := color.NRGBA{R: 200, G: 30, B: 30, A: 128}
	tests := []struct {
		name, kind  string
		file        []byte
		w, h        int
		left, right color.NRGBA
	}{
		{"a PNG", picture.TypeJPEG, asPNG(halves(8, 4, red, blue)), 8, 4, red, blue},
		{"a PNG with something clear", picture.TypePNG, asPNG(halves(8, 4, none, blue)), 8, 4, none, blue},
		{"a JPEG", picture.TypeJPEG, asJPEG(halves(16, 16, red, blue)), 16, 16, red, blue},
		{"a GIF", picture.TypeJPEG, asGIF(halves(8, 4, red, blue)), 8, 4, red, blue},
		{"a GIF with something clear", picture.TypePNG, asGIF(halves(8, 4, none, blue)), 8, 4, none, blue},
		{"the first frame of a GIF", picture.TypeJPEG, asGIF(halves(8, 4, red, blue), halves(8, 4, blue, red)), 8, 4, red, blue},
		{"a lossy WebP", picture.TypeJPEG, file(t, "lossy.webp"), 8, 4, red, blue},
		{"a lossless WebP", picture.TypePNG, file(t, "lossless.webp"), 8, 4, half, half},
		{"a lossy WebP with something clear", picture.TypePNG, file(t, "alpha.webp"), 8, 4, half, half},
		{"one pixel", picture.TypeJPEG, asPNG(halves(1, 1, red, red)), 1, 1, red, red},
		{"one that is just small enough", picture.TypeJPEG, asPNG(halves(640, 640, red, blue)), 640, 640, red, blue},
		{"a larger one", picture.TypeJPEG, asPNG(halves(800, 400, red, blue)), 640, 320, red, blue},
		{"a much larger one", picture.TypeJPEG, asJPEG(halves(2600, 3900, red, blue)), 426, 640, red, blue},
		{"a long one", picture.TypeJPEG, asPNG(halves(60_000, 2, red, blue)), 640, 1, red, blue},
		{"a high one", picture.TypeJPEG, asPNG(halves(3, 60_000, red, red)), 1, 640, red, red},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := read(t, tt.file)
			m := pixels(t, p)
			if p.ContentType != tt.kind || m.Bounds() != image.Rect(0, 0, tt.w, tt.h) {
				t.Errorf("it is %s of %v, want %s of %d × %d", p.ContentType, m.Bounds(), tt.kind, tt.w, tt.h)
			}
			if y := tt.h / 2; tt.right != half && (!near(m.At(0, y), tt.left) || !near(m.At(tt.w-1, y), tt.right)) {
				t.Errorf("left is %v, right %v", m.At(0, y), m.At(tt.w-1, y))
			}
		})
	}
}

func TestReadTurnsAPhotoUpright(t *testing.T) {
	photo := asJPEG(halves(32, 16, red, blue))
	tests := []struct {
		orientation         uint16
		w, h                int
		topLeft, bottomLeft color.NRGBA
	}{
		{1, 32, 16, red, red}, {2, 32, 16, blue, blue}, {3, 32, 16, blue, blue}, {4, 32, 16, red, red},
		{5, 16, 32, red, blue}, {6, 16, 32, red, blue}, {7, 16, 32, blue, red}, {8, 16, 32, blue, red},
		{0, 32, 16, red, red}, {9, 32, 16, red, red},
	}
	for _, tt := range tests {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			m := pixels(t, read(t, with(photo, exif(order, tt.orientation))))
			if m.Bounds() != image.Rect(0, 0, tt.w, tt.h) || !near(m.At(1, 1), tt.topLeft) || !near(m.At(1, tt.h-2), tt.bottomLeft) {
				t.Errorf("orientation %d, %v: %v, top left %v, bottom left %v", tt.orientation, order, m.Bounds(), m.At(1, 1), m.At(1, tt.h-2))
			}
		}
	}
	t.Run("each corner comes to its place", func(t *testing.T) {
		// 1 is at the top left, 2 at the top right, 3 at the bottom left.
		m := image.NewRGBA(image.Rect(0, 0, 48, 32))
		for y := range 32 {
			for x := range 48 {
				m.Set(x, y, color.Gray{Y: uint8(min(x/24, 1)*80 + min(y/16, 1)*150)})
			}
		}
		corners := map[uint16][4]uint8{1: {0, 80, 150, 230}, 2: {80, 0, 230, 150}, 3: {230, 150, 80, 0}, 4: {150, 230, 0, 80},
			5: {0, 150, 80, 230}, 6: {150, 0, 230, 80}, 7: {230, 80, 150, 0}, 8: {80, 230, 0, 150}}
		for orientation, want := range corners {
			got := pixels(t, read(t, with(asJPEG(m), exif(binary.BigEndian, orientation))))
			w, h := got.Bounds().Dx(), got.Bounds().Dy()
			for i, at := range []image.Point{{2, 2}, {w - 3, 2}, {2, h - 3}, {w - 3, h - 3}} {
				c, _ := color.GrayModel.Convert(got.At(at.X, at.Y)).(color.Gray)
				if max(c.Y, want[i])-min(c.Y, want[i]) > 20 {
					t.Errorf("orientation %d: corner %d is %d, want %d", orientation, i, c.Y, want[i])
				}
			}
		}
	})
}

func TestReadRefuses(t *testing.T) {
	whole := asPNG(halves(8, 4, red, blue))
	scans := strings.Repeat("\xff\xda", 100)
	tests := []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, picture.ErrNoPicture},
		{"HTML", []byte("<!DOCTYPE html><script>alert(1)</script>"), picture.ErrNoPicture},
		{"an SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), picture.ErrNoPicture},
		{"a PDF", []byte("%PDF-1.7\n"), picture.ErrNoPicture},
		{"a BMP", []byte("BM\x46\x00\x00\x00"), picture.ErrNoPicture},
		{"half a PNG", whole[:len(whole)/2], picture.ErrNoPicture},
		{"the beginning of a PNG", whole[:8], picture.ErrNoPicture},
		{"a PNG that was changed", bytes.Replace(whole, []byte("IDAT"), []byte("IDAT\x00"), 1), picture.ErrNoPicture},
		{"a PNG without a width", sizedPNG(0, 5), picture.ErrNoPicture},
		{"a JPEG that ends at once", []byte("\xff\xd8\xff\xd9"), picture.ErrNoPicture},
		{"a JPEG that goes over its pixels too often", append(asJPEG(halves(16, 16, red, blue)), scans...), picture.ErrNoPicture},
		{"a GIF without a frame", append(sizedGIF(5, 5), ';'), picture.ErrNoPicture},
		{"a WebP without pixels", sizedWebP(5, 5), picture.ErrNoPicture},
		{"a WebP that moves", []byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x04\x00\x00\x04\x00\x00ANIM\x00\x00\x00\x00"), picture.ErrNoPicture},
		{"a file of more than 8 MiB", append(bytes.Clone(whole), make([]byte, picture.MaxFile)...), picture.ErrTooLarge},
		{"a PNG of more pixels than there may be", sizedPNG(5001, 5000), picture.ErrTooLarge},
		{"a PNG as wide as it can say", sizedPNG(1<<31-1, 1), picture.ErrTooLarge},
		{"a GIF of four thousand million pixels", sizedGIF(65535, 65535), picture.ErrTooLarge},
		{"a JPEG of four thousand million pixels", sizedJPEG(0xc0, 65535, 65535, 3), picture.ErrTooLarge},
		{"a progressive JPEG that would take more memory than there may be", sizedJPEG(0xc2, 4900, 5000, 3), picture.ErrTooLarge},
		{"one of four colours", sizedJPEG(0xc2, 3800, 3800, 4), picture.ErrTooLarge},
		{"one that hides what it is", bytes.Replace(sizedJPEG(0xc0, 3800, 3800, 3), []byte("\xd8\xff"), []byte("\xd8\xff\xff"), 1), picture.ErrTooLarge},
		{"a WebP of 270 million pixels", sizedWebP(16384, 16384), picture.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := picture.Read(t.Context(), tt.file); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadKeepsNothingOfTheFile(t *testing.T) {
	const script = "<script>alert(1)</script>"
	for name, file := range map[string][]byte{
		"what Exif says of a photo":    with(asJPEG(halves(16, 16, red, blue)), exif(binary.BigEndian, 1), segment(0xfe, script)),
		"what stands behind a JPEG":    append(asJPEG(halves(16, 16, red, blue)), script...),
		"what stands behind a PNG":     append(asPNG(halves(16, 16, none, blue)), script...),
		"the comment of a GIF":         append(asGIF(halves(8, 8, red, blue)), script...),
		"the colour profile of a WebP": file(t, "alpha.webp"),
	} {
		t.Run(name, func(t *testing.T) {
			p := read(t, file)
			for _, trace := range []string{"Exif", "GPS", "script", "ICCP", "Google"} {
				if bytes.Contains(p.Content, []byte(trace)) {
					t.Errorf("%q is in it", trace)
				}
			}
		})
	}
}

func TestPicturesAreSmall(t *testing.T) {
	for name, m := range map[string]*image.NRGBA{"noise": noise(640, 640), "a lot of noise": noise(1400, 1400)} {
		if p := read(t, asPNG(m)); len(p.Content) > picture.MaxContent {
			t.Errorf("%s: %d bytes", name, len(p.Content))
		}
	}
}

func TestReadWaitsForMemory(t *testing.T) {
	if err := picture.Memory.Acquire(t.Context(), picture.MaxMemory); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := picture.Read(ctx, asPNG(halves(8, 4, red, blue)))
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	picture.Memory.Release(picture.MaxMemory)
	if _, err := picture.Read(ctx, asPNG(halves(8, 4, red, blue))); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: error %v", err)
	}
	read(t, asPNG(halves(8, 4, red, blue)))
}

func TestThumbnail(t *testing.T) {
	wide, high, small := read(t, asPNG(halves(640, 320, red, blue))), read(t, asPNG(halves(300, 600, red, blue))), read(t, asPNG(halves(20, 10, none, blue)))
	tests := []struct {
		name        string
		p           picture.Picture
		w, h        int
		crop        bool
		wantW, wanH int
	}{
		{"scale covers what is wanted", wide, 32, 32, false, 64, 32},
		{"scale covers a wide one", wide, 320, 100, false, 320, 160},
		{"scale of a high one", high, 32, 32, false, 32, 64},
		{"scale rounds up", wide, 33, 1, false, 33, 17},
		{"scale of one that is as large on a side", wide, 640, 10, false, 640, 320},
		{"scale of one that is smaller", small, 32, 32, false, 20, 10},
		{"crop has the shape", wide, 32, 32, true, 32, 32},
		{"crop of another shape", wide, 30, 60, true, 30, 60},
		{"crop of a high one", high, 96, 96, true, 96, 96},
		{"crop of a part that is not large enough", wide, 400, 400, true, 320, 320},
		{"crop of one that is smaller", small, 32, 32, true, 20, 10},
		{"crop to a line", wide, 640, 1, true, 640, 1},
		{"crop of what is as large", wide, 640, 320, true, 640, 320},
		{"crop to a pixel", small, 1, 1, true, 1, 1},
		{"a size that nobody has", wide, 1 << 30, 1 << 30, true, 640, 320},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := picture.Thumbnail(t.Context(), tt.p, tt.w, tt.h, tt.crop)
			if err != nil {
				t.Fatal(err)
			}
			m := pixels(t, p)
			if m.Bounds() != image.Rect(0, 0, tt.wantW, tt.wanH) || p.ContentType != tt.p.ContentType {
				t.Errorf("it is %s of %v, want %d × %d", p.ContentType, m.Bounds(), tt.wantW, tt.wanH)
			}
		})
	}
	t.Run("crop takes the middle", func(t *testing.T) {
		p, err := picture.Thumbnail(t.Context(), wide, 32, 32, true)
		if err != nil {
			t.Fatal(err)
		}
		if m := pixels(t, p); !near(m.At(3, 16), red) || !near(m.At(28, 16), blue) {
			t.Errorf("left is %v, right %v", m.At(3, 16), m.At(28, 16))
		}
	})
}
