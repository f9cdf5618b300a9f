-- What the scripts share: how a number is read, what a generation holds, and how one state is joined into it.
-- It stands before each script's own text; Redis knows no modules.

local function number(text) -- at most 15 digits: a Lua number is a double, exact up to 2^53
  local digits = text and string.match(text, '^%-?(%d+)$')
  return digits and #digits <= 15 and tonumber(text)
end

-- The sums of a generation; nil where it lost a key, holds what is no number, or contradicts itself: the sites do not
-- add up to the whole, or there are more or fewer objects than were counted in. Nobody knows then what is true.
local function sums(ranks, totals)
  local flat, objects = redis.pcall('HGETALL', totals), redis.pcall('HLEN', ranks)
  if type(objects) == 'table' or flat.err then
    return nil
  end
  local held, sites = {}, {raised = 0, payments = 0}
  for index = 1, #flat, 2 do
    local field, value = flat[index], number(flat[index + 1])
    if not value then
      return nil
    end
    held[field] = value
    local of_site = string.match(field, '^site:.+:(%a+)$')
    if of_site then
      sites[of_site] = (sites[of_site] or 0) + value
    end
  end
  local whole = held.raised == sites.raised and held.payments == sites.payments and held.objects == objects - 1
  return whole and held or nil
end

local function read_state(kind, site, rank, first) -- of ARGV, with the contributions from `first` on
  rank = assert(number(rank), 'rank')
  assert(kind == 'payment' or kind == 'refund' or kind == 'dispute', 'kind')
  assert(#site >= 1 and #site <= 255, 'site')
  assert(#ARGV == first + rank and ARGV[first] == '0', 'contributions')
  local contributions = {}
  for index = first, #ARGV do
    contributions[index - first] = assert(number(ARGV[index]), 'contribution')
  end
  return {kind = kind, site = site, rank = rank, contributions = contributions}
end

-- What joining a state into one generation would change; nil: nothing. Lua has no rollback, so everything that can be
-- wrong is found here, before the first write.
local function plan(state, ranks, totals, hash)
  assert(#hash == 16, 'hash')
  local held_rank = redis.call('HGET', ranks, hash)
  local known = assert(number(held_rank or '0'), 'rank held')
  local site = 'site:' .. state.site
  local fields = {'raised', 'payments', 'objects', site .. ':raised', site .. ':payments'}
  local held = redis.call('HMGET', totals, unpack(fields))
  if state.rank <= known then
    return nil
  end
  local money = state.contributions[state.rank] - state.contributions[known]
  local gift = (state.kind == 'payment' and known < 1) and 1 or 0
  local steps = {money, gift, held_rank and 0 or 1, money, gift}
  for index, step in ipairs(steps) do
    local sum = assert(number(held[index] or '0'), 'total held') + step
    assert(math.abs(sum) < 1e15, 'total')
  end
  return {ranks = ranks, totals = totals, hash = hash, rank = state.rank, fields = fields, steps = steps}
end

local function write(change)
  redis.call('HSET', change.ranks, change.hash, change.rank)
  for index, step in ipairs(change.steps) do
    if step ~= 0 then -- also keeps a "-0" from being written
      redis.call('HINCRBY', change.totals, change.fields[index], string.format('%.0f', step))
    end
  end
end

local function open(ranks, totals)
  redis.call('HSET', ranks, '.', 0) -- Redis has no empty hashes: these two make a missing key a loss
  redis.call('HSET', totals, 'raised', 0, 'payments', 0, 'objects', 0)
end
