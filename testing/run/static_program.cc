// The smallest program: testing/run links it statically in both ways, to have
// programs that cannot take a preload.
//
// It is never meant to succeed under memalloc_run, which must refuse it; run
// directly it exits with 0. Used by refusal_test.cc.

int main() { return 0; }
