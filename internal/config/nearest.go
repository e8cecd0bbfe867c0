package config

// nearest is the name that was probably meant by word: the one with the
// smallest edit distance, if that is two letters or two fifths of all, and else
// "".
func nearest(word string, names []string) string {
	best, smallest := "", -1
	for _, name := range names {
		d := distance(word, name)
		if d <= max(2, (2*max(len(word), len(name))+4)/5) && (smallest < 0 || d < smallest) {
			best, smallest = name, d
		}
	}
	return best
}

// longest bounds the work for a word that is no typing error of anything.
const longest = 100

// distance is the edit distance of Levenshtein, in bytes.
func distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1) // of the prefix of a that has been read
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
