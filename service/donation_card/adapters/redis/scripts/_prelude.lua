-- Functions that several scripts share. The store puts this text before each of them, because Redis has no modules.

-- Seconds. A stored instant further ahead of now is unknown, as in domain/lifetimes.py.
local MAX_AHEAD = 300

-- Limit of a version and of an amount, also after it was hidden: all are exact as a number.
local MOST = 1e14

-- Return the integer in a text, or false. A Lua number is a double, so it is exact below 2^53.
local function parse_int(text)
  local number = text and string.match(text, '^%-?%d+$') and tonumber(text)
  return number and math.abs(number) < 2^53 and number
end

-- Return the sums of a generation as a table, or nil where they are unknown. They are unknown where a key is missing,
-- a value is not an integer, the sites do not add up to the whole, or the number of objects is wrong. Then return a list:
-- for each payment that is reversed but does not count, the number of updates when its first reversal came.
local function read_totals(versions, totals)
  local flat, objects = redis.pcall('HGETALL', totals), redis.pcall('HLEN', versions)
  if type(objects) == 'table' or flat.err then
    return nil, {}
  end
  local sums, sites, waiting = {}, {raised = 0, payments = 0}, {}
  for index = 1, #flat, 2 do
    local field, value = flat[index], parse_int(flat[index + 1])
    if not value then
      return nil, {}
    end
    local of_site = string.match(field, '^site:.+:(%a+)$')
    if string.sub(field, 1, 8) == 'waiting:' then
      table.insert(waiting, value)
    else
      sums[field] = value
    end
    if of_site then
      sites[of_site] = (sites[of_site] or 0) + value
    end
  end
  local whole = sums.raised == sites.raised and sums.payments == sites.payments and sums.objects == objects - 1
  return whole and sums or nil, waiting
end

-- Check an object state that consists of four arguments.
local function parse_state(kind, site, version, amount)
  assert(kind == 'payment' or kind == 'refund' or kind == 'dispute', 'kind')
  assert(#site >= 1 and #site <= 255, 'site')
  version, amount = assert(parse_int(version), 'version'), assert(parse_int(amount), 'amount')
  assert(version >= 0 and version < MOST and math.abs(amount) < MOST, 'limits')
  return {kind = kind, site = site, version = version, amount = amount}
end

-- Return the two numbers in a key that hide the version and the amount of its entry. They are not stored.
local function hiding_numbers(key)
  local numbers = {0, 0}
  for index = 17, 28 do
    local which = index < 23 and 1 or 2
    numbers[which] = numbers[which] * 256 + string.byte(key, index)
  end
  return numbers[1], numbers[2]
end

-- Return the version and the amount of an object, and whether it has an entry. `key` is a hash of the object's id: 16
-- bytes are the name of the entry, and 6 each hide the two numbers. So an entry tells nothing to those without the id.
local function read_entry(versions, key)
  assert(#key == 28, 'key')
  local entry = redis.call('HGET', versions, string.sub(key, 1, 16))
  if not entry then
    return 0, 0, false
  end
  local version, amount = string.match(entry, '^(%S+) (%S+)$')
  local hide_version, hide_amount = hiding_numbers(key)
  return assert(parse_int(version), 'entry') - hide_version, assert(parse_int(amount), 'entry') - hide_amount, true
end

local function write_entry(versions, key, version, amount)
  local hide_version, hide_amount = hiding_numbers(key)
  local entry = string.format('%.0f %.0f', version + hide_version, amount + hide_amount)
  redis.call('HSET', versions, string.sub(key, 1, 16), entry)
end

-- Return what a state changes in a generation, or nil for nothing. `object` and `payment` are the keys of two entries;
-- a payment has one. While a payment does not count, its entry has version 0 and the sum of its reversals. Lua has no
-- rollback, so every error must be found here, before the first write.
local function plan_update(state, versions, totals, object, payment)
  local version, amount, exists = read_entry(versions, object)
  if state.version < version or state.version == version and (version == 0 or state.amount >= amount) then
    return nil
  end
  local wait = 'waiting:' .. string.sub(payment, 1, 16)
  local update = {versions = versions, totals = totals, object = object, state = state, wait = wait}
  local change, first, added = state.amount - amount, 0, exists and 0 or 1
  if state.kind == 'payment' then
    if version == 0 then
      change, first = state.amount + amount, 1
    end
  else
    local counts, reversed, known = read_entry(versions, payment)
    if counts == 0 then
      update.payment, update.reversed, update.waits = payment, reversed + change, not known
      assert(math.abs(update.reversed) < MOST, 'reversals')
      change, added = 0, added + (known and 0 or 1)
    end
  end
  local site = 'site:' .. state.site
  update.fields = {'raised', 'payments', 'objects', site .. ':raised', site .. ':payments'}
  update.changes = {change, first, added, change, first}
  local sums = redis.call('HMGET', totals, unpack(update.fields))
  for index, difference in ipairs(update.changes) do
    local sum = assert(parse_int(sums[index] or '0'), 'stored total') + difference
    assert(math.abs(sum) < 1e15, 'total')
    update.changed = update.changed or difference ~= 0
  end
  return update
end

-- `updates` is the number of updates of the campaign so far.
local function apply_update(update, updates)
  write_entry(update.versions, update.object, update.state.version, update.state.amount)
  if update.payment then
    write_entry(update.versions, update.payment, 0, update.reversed)
  end
  if update.waits then
    redis.call('HSET', update.totals, update.wait, updates)
  elseif update.state.kind == 'payment' then
    redis.call('HDEL', update.totals, update.wait)
  end
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
