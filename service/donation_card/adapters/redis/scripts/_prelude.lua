-- Functions that several scripts share. The store puts this text before each of them, because Redis has no modules.

-- Seconds. A stored instant further ahead of now is unknown, as in domain/lifetimes.py.
local MAX_AHEAD = 300

-- Return the integer in a text, or false. A Lua number is a double, so it is exact below 2^53.
local function parse_int(text)
  local number = text and string.match(text, '^%-?%d+$') and tonumber(text)
  return number and math.abs(number) < 2^53 and number
end

-- Return the sums of a generation as a table, or nil where they are unknown. They are unknown where a key is missing,
-- a value is not an integer, the sites do not add up to the whole, or the number of objects is wrong.
local function read_totals(versions, totals)
  local flat, objects = redis.pcall('HGETALL', totals), redis.pcall('HLEN', versions)
  if type(objects) == 'table' or flat.err then
    return nil
  end
  local sums, sites = {}, {raised = 0, payments = 0}
  for index = 1, #flat, 2 do
    local field, value = flat[index], parse_int(flat[index + 1])
    if not value then
      return nil
    end
    sums[field] = value
    local of_site = string.match(field, '^site:.+:(%a+)$')
    if of_site then
      sites[of_site] = (sites[of_site] or 0) + value
    end
  end
  local whole = sums.raised == sites.raised and sums.payments == sites.payments and sums.objects == objects - 1
  return whole and sums or nil
end

-- Check an object state in ARGV, with its cumulative amounts from `first` on.
local function parse_state(kind, site, version, first)
  version = assert(parse_int(version), 'version')
  assert(kind == 'payment' or kind == 'refund' or kind == 'dispute', 'kind')
  assert(#site >= 1 and #site <= 255, 'site')
  assert(#ARGV == first + version and ARGV[first] == '0', 'amounts')
  local amounts = {}
  for index = first, #ARGV do
    amounts[index - first] = assert(parse_int(ARGV[index]), 'amount')
  end
  return {kind = kind, site = site, version = version, amounts = amounts}
end

-- Return what a state changes in a generation, or nil for nothing. Lua has no rollback, so every error must be found
-- here, before the first write.
local function plan_update(state, versions, totals, hash)
  assert(#hash == 16, 'hash')
  local stored = redis.call('HGET', versions, hash)
  local known = assert(parse_int(stored or '0'), 'stored version')
  local site = 'site:' .. state.site
  local fields = {'raised', 'payments', 'objects', site .. ':raised', site .. ':payments'}
  local sums = redis.call('HMGET', totals, unpack(fields))
  if state.version <= known then
    return nil
  end
  local amount = state.amounts[state.version] - state.amounts[known]
  local payment = (state.kind == 'payment' and known < 1) and 1 or 0
  local changes = {amount, payment, stored and 0 or 1, amount, payment}
  for index, change in ipairs(changes) do
    local sum = assert(parse_int(sums[index] or '0'), 'stored total') + change
    assert(math.abs(sum) < 1e15, 'total')
  end
  return {versions = versions, totals = totals, hash = hash, version = state.version, fields = fields, changes = changes}
end

local function apply_update(update)
  redis.call('HSET', update.versions, update.hash, update.version)
  for index, change in ipairs(update.changes) do
    if change ~= 0 then -- Lua would write a zero as "-0"
      redis.call('HINCRBY', update.totals, update.fields[index], string.format('%.0f', change))
    end
  end
end

-- Redis has no empty hashes. The field '.' keeps the first key, so that a missing key always means a loss.
local function create_generation(versions, totals)
  redis.call('HSET', versions, '.', 0)
  redis.call('HSET', totals, 'raised', 0, 'payments', 0, 'objects', 0)
end
