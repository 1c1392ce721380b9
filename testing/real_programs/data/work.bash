#!/bin/bash
# The script that bash_test.py runs on libc and on memalloc.so.
#
# Role: arrays, hash tables, long strings, functions, here-documents, pipes,
# subshells, process substitution, a coprocess, traps and signals.
# Invariants: the output depends on nothing but this text, the arguments and
# standard input: no process numbers, no times, no unordered listings.
set -u

echo "arguments: $# <$1> <$2>"

count=0
while IFS= read -r line; do
  count=$((count + ${#line}))
done
echo "bytes read: $count"

declare -a numbers
for ((i = 0; i < 20000; i++)); do
  numbers[i]=$((i * 7919 % 10007))
done
for ((i = 0; i < 20000; i += 3)); do
  unset 'numbers[i]'
done
echo "array: ${#numbers[@]} elements, last ${numbers[19999]}"

declare -A table
for ((i = 0; i < 5000; i++)); do
  table["key $i"]="value $((i * i)) of $i"
done
for ((i = 0; i < 5000; i += 2)); do
  unset "table[key $i]"
done
echo "table: ${#table[@]} entries, ${table[key 4999]}"
printf '%s\n' "${!table[@]}" | sort -V | tr 'a-z' 'A-Z' | cat | tail -n 3

text=
for ((i = 0; i < 3000; i++)); do
  text+="piece $i;"
done
echo "text: ${#text}"
text=${text//piece/a longer piece}
echo "replaced: ${#text}, ${text: -20}"
text=${text//[0-9]/}
echo "stripped: ${#text}"

fibonacci() {
  local n=$1
  if ((n < 2)); then
    result=$n
    return
  fi
  local first
  fibonacci $((n - 1))
  first=$result
  fibonacci $((n - 2))
  result=$((first + result))
}
fibonacci 15
echo "fibonacci: $result"

for i in {1..60}; do
  value=$(echo "$(echo "$i" | cat)")
  ((value == i)) || echo "wrong: $i $value"
done
echo "substitutions are done"

(
  text="of the subshell"
  for ((i = 0; i < 2000; i++)); do
    inner[i]=$text$i
  done
  echo "subshell: ${#inner[@]} ${inner[1999]}"
)
echo "and outside: ${#text}"

while read -r left && read -r right <&3; do
  sum=$((left + right))
done < <(for i in {1..500}; do echo "$i"; done) \
  3< <(for i in {501..1000}; do echo "$i"; done)
echo "last sum: $sum"

coproc tr 'a-z' 'A-Z'
{
  echo "through the coprocess"
} >&"${COPROC[1]}"
exec {COPROC[1]}>&-
cat <&"${COPROC[0]}"
wait

mapfile -t lines < <(for i in {1..3000}; do echo "line $i ${text:0:200}"; done)
echo "mapfile: ${#lines[@]}"
unset lines

cat <<DOCUMENT
here: $(printf '%s,' "${numbers[@]:0:20}")
DOCUMENT
if [[ "name=value; other=thing" =~ ^([a-z]+)=([a-z]+)\;\ (.*)$ ]]; then
  printf '<%s>' "${BASH_REMATCH[@]}"
  echo
fi

trap 'echo "got the signal"' USR1
kill -USR1 $$
for i in {1..20}; do
  (exit "$i") &
done
wait
trap 'echo "script is done"' EXIT
for i in {1..2000}; do
  eval "made_$i() { echo $i \"\$@\"; }"
done
made_1999 called
exit 0
