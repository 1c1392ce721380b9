// A heap as it is when a program starts, for input after input in one process.
//
// The state of the core is constant-initialised and lies in a few objects: they
// are set to what they were, the fake kernel takes its memory back, and the
// running thread has no heap again. What stays is what the first use of the
// process settled: the key of the links, the handlers of fork and of the ends
// of threads.

#ifndef TESTING_FUZZ_FRESH_HEAP_H_
#define TESTING_FUZZ_FRESH_HEAP_H_

namespace memalloc::fuzz {

// Forgets the heap with all that is in it. No other thread may have one.
void BeginAnew();

// Options are what they are at the start of a program.
void ResetOptions();

// Makes everything go back that can, when nothing is allocated any more and no
// other thread has a heap; ends the process if cells got lost.
void ExpectAllToGoBack();

}  // namespace memalloc::fuzz

#endif  // TESTING_FUZZ_FRESH_HEAP_H_
