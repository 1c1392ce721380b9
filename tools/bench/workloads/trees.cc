// Trees and lists: linked structures of tiny nodes of one size.
//
// `trees` is the well-known binary-trees: short-lived trees of growing depth
// beside one that lives on. `nodes` is a compiler's or solver's habit: nodes
// of a few sizes linked in a list whose middle is edited all the time, so that
// where the allocator puts neighbours decides the cost of walking them.
#include <cstdint>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

struct Tree {
  Tree* left;
  Tree* right;
};

Tree* Grow(int depth) {
  if (depth == 0) return new Tree{nullptr, nullptr};
  Tree* left = Grow(depth - 1);
  return new Tree{left, Grow(depth - 1)};
}

uint64_t CutDown(Tree* tree) {
  if (tree == nullptr) return 0;
  const uint64_t nodes = 1 + CutDown(tree->left) + CutDown(tree->right);
  delete tree;
  return nodes;
}

Outcome Trees(const Params& params) {
  constexpr int kLongDepth = 17;
  constexpr int kMaxDepth = 16;
  uint64_t nodes = 0;
  Tree* long_lived = Grow(kLongDepth);
  for (int depth = 4; depth <= kMaxDepth; depth += 4) {
    const uint64_t count = params.Scaled(uint64_t{20} << (kMaxDepth - depth));
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t cut = CutDown(Grow(depth));
      Require(cut == (uint64_t{2} << depth) - 1, "a tree lost nodes");
      nodes += cut;
    }
  }
  nodes += CutDown(long_lived);
  return {2 * nodes, {}};
}

struct Node {
  Node* next;
  uint64_t value;
};

// Extra bytes behind a node, by its value: 16, 32, 48 and 64-byte nodes.
Node* MakeNode(uint64_t value, Node* next) {
  void* memory = std::malloc(sizeof(Node) + 16 * (value % 4));
  Require(memory != nullptr, "out of memory");
  return new (memory) Node{next, value};
}

// Walks a list, dropping every node whose value says so and inserting a new
// one elsewhere; returns the sum of what it saw.
uint64_t Edit(Node* head, Random* random, uint64_t* ops) {
  uint64_t sum = 0;
  for (Node* at = head; at->next != nullptr; at = at->next) {
    sum += at->next->value;
    const uint64_t dice = random->Next() >> 60;
    if (dice < 3) {
      Node* gone = at->next;
      at->next = gone->next;
      std::free(gone);
      ++*ops;
      if (at->next == nullptr) break;
    } else if (dice < 6) {
      at->next = MakeNode(random->Next() >> 32, at->next);
      ++*ops;
    }
  }
  return sum;
}

Outcome Nodes(const Params& params) {
  constexpr int kLists = 100;
  Random random(params.seed);
  const uint64_t length = params.LiveOr(40'000) / kLists + 1;
  std::vector<Node*> lists;
  uint64_t ops = 0;
  for (int i = 0; i < kLists; ++i) {
    Node* head = MakeNode(0, nullptr);
    for (uint64_t j = 0; j < length; ++j) head->next = MakeNode(j, head->next);
    lists.push_back(head);
    ops += length + 1;
  }
  const uint64_t passes = params.Scaled(300);
  for (uint64_t i = 0; i < passes; ++i) {
    for (Node* head : lists) Keep(Edit(head, &random, &ops));
  }
  for (Node* head : lists) {
    while (head != nullptr) {
      Node* next = head->next;
      std::free(head);
      head = next;
      ++ops;
    }
  }
  return {ops, {}};
}

}  // namespace

void AddTrees(Workloads* all) {
  all->push_back({"trees",
                  "binary trees that come and go beside a long-lived "
                  "one",
                  Trees});
  all->push_back({"nodes",
                  "linked lists of four node sizes, edited in the "
                  "middle while walked",
                  Nodes});
}

}  // namespace memalloc_bench
