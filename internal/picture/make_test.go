package picture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"testing"

	"keymaker/internal/secret"
)

var (
	red  = color.NRGBA{R: 200, G: 30, B: 30, A: 255}
	blue = color.NRGBA{R: 20, G: 30, B: 200, A: 255}
	none = color.NRGBA{}
)

// halves is a picture whose left half has one colour and whose right another.
func halves(w, h int, left, right color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := left
			if x >= w/2 {
				c = right
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// noise is a picture that nothing compresses.
func noise(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	copy(m.Pix, secret.Bytes(len(m.Pix)))
	return m
}

func asPNG(m image.Image) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, m))
	return b.Bytes()
}

func asJPEG(m image.Image) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func asGIF(frames ...image.Image) []byte {
	g := &gif.GIF{}
	for _, m := range frames {
		p := image.NewPaletted(m.Bounds(), color.Palette{red, blue, none})
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				p.Set(x, y, m.At(x, y))
			}
		}
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 10)
	}
	var b bytes.Buffer
	must(gif.EncodeAll(&b, g))
	return b.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// segment is a segment of a JPEG.
func segment(marker byte, data string) string {
	return string([]byte{0xff, marker}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(data)+2))) + data
}

// with puts segments behind the beginning of a JPEG.
func with(file []byte, segments ...string) []byte {
	b := bytes.NewBuffer(bytes.Clone(file[:2]))
	for _, s := range segments {
		b.WriteString(s)
	}
	b.Write(file[2:])
	return b.Bytes()
}

// exif is a segment with an orientation, and with where the photo was taken.
func exif(order binary.AppendByteOrder, orientation uint16) string {
	head := map[string]string{"BigEndian": "MM\x00*", "LittleEndian": "II*\x00"}[order.String()]
	b := order.AppendUint32([]byte("Exif\x00\x00"+head), 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint32(order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x010e), 2), 4), 0)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0112), 3), 1)
	b = order.AppendUint16(order.AppendUint16(b, orientation), 0)
	return segment(0xe1, string(b)+"\x00\x00\x00\x00GPS 52.5200 N 13.4050 E")
}

// sizedJPEG is a JPEG that says it has these sides, and has no pixels.
func sizedJPEG(marker byte, w, h, components int) []byte {
	return []byte("\xff\xd8" + frame(marker, w, h, components) + segment(0xda, "\x01\x01\x00\x00\x00\x00"))
}

// frame is the segment of a JPEG that says how large it is.
func frame(marker byte, w, h, components int) string {
	b := binary.BigEndian.AppendUint16([]byte{8}, uint16(h))
	b = append(binary.BigEndian.AppendUint16(b, uint16(w)), byte(components))
	for i := range components {
		b = append(b, byte(i+1), 0x11, 0)
	}
	return segment(marker, string(b))
}

// sizedPNG is a PNG that says it has these sides.
func sizedPNG(w, h uint32) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	b := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(b, ihdr...), crc32.ChecksumIEEE(ihdr))
}

// sizedGIF is a GIF that says it has these sides.
func sizedGIF(w, h uint16) []byte {
	b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte("GIF89a"), w), h)
	return append(b, 0, 0, 0)
}

// sizedWebP is a WebP that says it has these sides.
func sizedWebP(w, h int) []byte {
	b := []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
	for _, side := range []int{w - 1, h - 1} {
		b = append(b, byte(side), byte(side>>8), byte(side>>16))
	}
	return b
}
