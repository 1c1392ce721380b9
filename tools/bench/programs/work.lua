-- Work of an interpreter: tables that grow, strings that are joined, closures
-- and small objects that die young. Prints a checksum.
-- Argument: how many rounds.
local rounds = tonumber(arg[1])

local function words(count, seed)
  local list = {}
  for i = 1, count do
    seed = (seed * 1103515245 + 12345) % 2147483648
    list[i] = "w" .. seed % 5000
  end
  return list
end

local function count_words(list)
  local counts = {}
  for _, word in ipairs(list) do
    counts[word] = (counts[word] or 0) + 1
  end
  return counts
end

local function chain(length)
  local head = nil
  for i = 1, length do
    local next_node = head
    head = { value = i, rest = next_node, get = function() return i end }
  end
  local sum = 0
  while head do
    sum = sum + head.get()
    head = head.rest
  end
  return sum
end

local checksum = 0
for round = 1, rounds do
  local list = words(8000, round)
  local counts = count_words(list)
  local keys = {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys)
  local text = table.concat(keys, ",")
  local replaced = text:gsub("w(%d)", function(d) return "<" .. d .. ">" end)
  checksum = (checksum + #replaced + chain(8000)) % 1000000007
end
print(checksum)
