-- Allocation-heavy work for lua_program: binary trees, strings, tables,
-- closures, coroutines, weak tables and finalizers.
--
-- The output is a line a section, with a count and a digest, and is the same
-- on every allocator: nothing here depends on addresses, on the time, on the
-- order in which pairs() visits string keys, or on when a collection step
-- happens. Numbers come from a small generator of our own because math.random
-- is seeded from addresses.
--
-- Run by program_test.py through lua_program; single-threaded.

local seed = 20240229

local function random(limit)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return (seed >> 8) % limit + 1
end

local function digest(hash, value)
  local text = tostring(value)
  for i = 1, #text do
    hash = ((hash ~ text:byte(i)) * 16777619) & 0xffffffff
  end
  return hash
end

local function report(section, count, hash)
  print(string.format("%s: %d items, digest %08x", section, count, hash))
end

local function make_tree(depth)
  if depth == 0 then return {} end
  return {make_tree(depth - 1), make_tree(depth - 1)}
end

local function count_nodes(tree)
  if not tree[1] then return 1 end
  return 1 + count_nodes(tree[1]) + count_nodes(tree[2])
end

-- One tree lives long while many short ones come and go.
local function binary_trees(max_depth)
  local long_lived = make_tree(max_depth)
  local hash, total = 0, 0
  for depth = 4, max_depth, 4 do
    for _ = 1, 1 << (max_depth - depth) do
      total = total + count_nodes(make_tree(depth))
    end
    hash = digest(hash, total)
  end
  hash = digest(hash, count_nodes(long_lived))
  report("binary trees", total, hash)
end

-- Strings of every length up to 40 kB: by appending, by a buffer, by gsub.
local function strings()
  local hash, count = 0, 0
  local text = ""
  for i = 1, 4000 do
    text = text .. string.format("%05d,", random(99999))
    if i % 500 == 0 then
      hash = digest(hash, text)
      count = count + 1
    end
  end
  local parts = {}
  for i = 1, 30000 do
    parts[i] = string.rep(string.char(96 + random(26)), random(64))
  end
  local joined = table.concat(parts, " ")
  local replaced, hits = joined:gsub("%f[%a]a+", function(word)
    return "<" .. #word .. ">"
  end)
  hash = digest(digest(hash, hits), replaced:sub(1, 5000))
  for word in joined:gmatch("%a+") do
    if #word == 64 then count = count + 1 end
  end
  report("strings", count, hash)
end

-- Arrays that grow and are sorted, tables with string keys, holes, removal.
local function tables()
  local hash, count = 0, 0
  for round = 1, 8 do
    local array = {}
    for i = 1, 20000 do array[i] = random(1000000) end
    table.sort(array)
    for i = 1, #array, 1999 do hash = digest(hash, array[i]) end
    for _ = 1, 500 do table.remove(array, random(#array)) end
    count = count + #array

    local by_name, names = {}, {}
    for i = 1, 5000 do
      local name = "key" .. round .. "_" .. random(4000)
      if not by_name[name] then names[#names + 1] = name end
      by_name[name] = {name = name, order = i, tags = {i, i * 2}}
    end
    table.sort(names)
    for i = 1, #names, 7 do by_name[names[i]] = nil end
    for _, name in ipairs(names) do
      local entry = by_name[name]
      if entry then
        count = count + 1
        hash = digest(hash, entry.order + entry.tags[2])
      end
    end
  end
  report("tables", count, hash)
end

-- Closures that share and that own their variables.
local function closures()
  local function counter(start)
    local value = start
    return function() value = value + 1; return value end,
           function() return value end
  end
  local pairs_of = {}
  for i = 1, 40000 do
    local advance, read = counter(i)
    pairs_of[i] = {advance = advance, read = read}
  end
  local hash, calls = 0, 0
  for _ = 1, 100000 do
    pairs_of[random(#pairs_of)].advance()
    calls = calls + 1
  end
  for i = 1, #pairs_of, 101 do hash = digest(hash, pairs_of[i].read()) end
  local function compose(f, g) return function(x) return f(g(x)) end end
  local chain = function(x) return x end
  for i = 1, 150 do
    chain = compose(chain, function(x) return (x * 31 + i) % 65521 end)
  end
  for i = 1, 200 do hash = digest(hash, chain(i)) end
  report("closures", calls, hash)
end

-- Many coroutines alive at once, each with a stack that grows and is dropped.
local function coroutines()
  local function depth_first(tree, depth)
    if tree[1] then
      depth_first(tree[1], depth + 1)
      coroutine.yield(depth)
      depth_first(tree[2], depth + 1)
    end
  end
  local tree = make_tree(6)
  local running = {}
  for i = 1, 3000 do
    running[i] = coroutine.wrap(function()
      depth_first(tree, i % 10)
      return -1
    end)
  end
  local hash, steps = 0, 0
  while #running > 0 do
    local at = random(#running)
    local value = running[at]()
    steps = steps + 1
    if steps % 97 == 0 then hash = digest(hash, value) end
    if value == -1 then
      running[at] = running[#running]
      running[#running] = nil
    end
  end
  report("coroutines", steps, hash)
end

-- What only a weak table holds is gone after a full collection, and each
-- finalizer runs once.
local function collection()
  local finalized = 0
  local meta = {__gc = function() finalized = finalized + 1 end}
  local weak = setmetatable({}, {__mode = "v"})
  local kept = {}
  for i = 1, 20000 do
    local object = setmetatable({i, tostring(i)}, meta)
    weak[i] = object
    if i % 5 == 0 then kept[#kept + 1] = object end
  end
  collectgarbage("collect")
  collectgarbage("collect")
  local alive, hash = 0, 0
  for i = 1, 20000 do
    if weak[i] then
      alive = alive + 1
      hash = digest(hash, weak[i][2])
    end
  end
  assert(alive == #kept and finalized == 20000 - #kept)
  report("collection", alive, digest(hash, finalized))
end

binary_trees(14)
strings()
tables()
closures()
coroutines()
collectgarbage("generational")
binary_trees(12)
tables()
collection()
