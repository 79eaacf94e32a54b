package cmd

import "testing"

func TestHugePagesAreAskedForOnce(t *testing.T) {
	for _, c := range []struct{ enabled, set, want string }{
		{"always [madvise] never\n", "", "glibc.malloc.hugetlb=1"},
		{"always [madvise] never\n", "glibc.malloc.check=0", "glibc.malloc.check=0:glibc.malloc.hugetlb=1"},
		{"always [madvise] never\n", "glibc.malloc.hugetlb=1", ""}, // the second start
		{"always [madvise] never\n", "glibc.malloc.hugetlb=0", ""}, // somebody does not want them
		{"[always] madvise never\n", "", ""},
		{"always madvise [never]\n", "", ""},
	} {
		if got := wantsHugePages([]byte(c.enabled), c.set); got != c.want {
			t.Errorf("wantsHugePages(%q, %q) = %q, want %q", c.enabled, c.set, got, c.want)
		}
	}
}
