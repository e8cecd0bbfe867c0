package picture

import (
	"bytes"
	"encoding/binary"
)

// Markers of a JPEG (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0 // baseline
	markerSOF1 = 0xc1 // sequential
	markerSOF2 = 0xc2 // progressive
	markerSOS  = 0xda // pixels follow
	markerAPP1 = 0xe1 // Exif
)

// segments goes through the segments of a JPEG before its pixels, for as long as
// they are well formed and see returns true.
func segments(file []byte, see func(marker byte, segment []byte) bool) {
	if len(file) < 2 {
		return
	}
	rest := file[2:]
	for len(rest) >= 4 && rest[0] == 0xff && rest[1] >= 0xc0 && rest[1] != 0xff && rest[1] != markerSOS {
		marker, length := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		// What has no segment is not expected here: RST, SOI and EOI.
		if length < 2 || length+2 > len(rest) || marker >= 0xd0 && marker <= 0xd9 || !see(marker, rest[4:2+length]) {
			return
		}
		rest = rest[2+length:]
	}
}

// jpegMemory is what the decoder takes for each pixel: a progressive picture is
// kept as coefficients of four bytes until its end. What cannot be told counts as
// the worst.
func jpegMemory(file []byte) int64 {
	const (
		sequential = 12
		worst      = 24
	)
	memory := int64(worst)
	segments(file, func(marker byte, s []byte) bool {
		if marker < markerSOF0 || marker > markerSOF2 {
			return true
		}
		if len(s) > 5 && marker != markerSOF2 {
			memory = sequential
		} else if len(s) > 5 && s[5] <= 3 { // components
			memory = 4*3 + 3
		}
		return false
	})
	return memory
}

// orientation says how a camera was held: the tag of Exif (CIPA DC-008, 4.6.5.1),
// 1 to 8. It is 1, upright, for what says nothing.
func orientation(file []byte) int {
	found := 1
	if !bytes.HasPrefix(file, []byte("\xff\xd8")) {
		return found
	}
	segments(file, func(marker byte, s []byte) bool {
		tiff, exif := bytes.CutPrefix(s, []byte("Exif\x00\x00"))
		if marker != markerAPP1 || !exif {
			return true
		}
		found = tiffOrientation(tiff)
		return false
	})
	return found
}

// tiffOrientation looks for the tag in the first directory.
func tiffOrientation(tiff []byte) int {
	const (
		tag   = 0x0112
		short = 3
		entry = 12 // bytes
	)
	var order binary.ByteOrder = binary.BigEndian
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case !bytes.HasPrefix(tiff, []byte("MM\x00*")):
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	count, entries := int(order.Uint16(tiff[at:])), tiff[at+2:]
	for ; count > 0 && len(entries) >= entry; count, entries = count-1, entries[entry:] {
		if order.Uint16(entries) != tag || order.Uint16(entries[2:]) != short {
			continue
		}
		if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}
