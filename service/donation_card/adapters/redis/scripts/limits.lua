-- Count signals, judge whether an attack is going on, and take one out of every bucket or out of none. Two callers in
-- one second come out as if one had waited for the other; the time is this server's. The same in the open:
-- domain/attack.py (`heard`) and domain/limits.py (`take`). A lost answer that is asked for again counts twice, which is
-- stricter, and spends once.
--
-- KEYS  limits · what is spent (the same key again where nothing is)
-- ARGV  declined · expired · paid · crowded · WINDOW · LULL · RISE · CROWD · TOP · DECLINES · EXPIRIES · CALM · who spends ·
--       ms it stays spent, 0: nothing is · then name, every, burst of each bucket
-- Gives {taken | full | spent, ms to wait, level, forced or ''}.

local function number(text) return assert(tonumber(text), 'a number') end

local time = redis.call('TIME')
local now = number(time[1]) * 1000 + math.floor(number(time[2]) / 1000)
local window, lull, rise, crowd = number(ARGV[5]), number(ARGV[6]), number(ARGV[7]), number(ARGV[8])
local top, declines, expiries, calm_needed = number(ARGV[9]), number(ARGV[10]), number(ARGV[11]), number(ARGV[12])
local owner, ttl = ARGV[13], number(ARGV[14])

local fields = {'level', 'began', 'calm', 'declined', 'expired', 'paid', 'crowded', 'forced'}
local held = redis.call('HMGET', KEYS[1], unpack(fields))
local function was(index) return tonumber(held[index] or '0') or 0 end
local level, began, calm = was(1), math.min(was(2), now), was(3)
local declined, expired, paid, crowded = was(4), was(5), was(6), was(7)

local function reach(share)
  return (declined * share >= declines and declined > paid) or (expired * share >= expiries and expired > 10 * paid)
end
local function restart(to, quiet)
  level, calm, began, declined, expired, paid, crowded = to, quiet, now, 0, 0, 0, 0
end
if now - began >= (level > 1 and lull or window) then
  local loud = reach(2)
  if level > 1 then
    loud = crowded >= crowd
  end
  calm = loud and 0 or calm + 1
  if calm >= (level == 1 and calm_needed or 1) then
    restart(math.max(level - 1, 0), 0)
  else
    restart(level, calm)
  end
end
declined, expired = declined + number(ARGV[1]), expired + number(ARGV[2])
paid, crowded = paid + number(ARGV[3]), crowded + number(ARGV[4])
local age, rises = now - began, reach(1)
if level > 0 then
  rises = age >= rise and crowded >= crowd and crowded * 1000 >= age
end
if rises then
  restart(math.min(level + 1, top), 0)
end

local names, full_at, longest = {}, {}, 0
for index = 15, #ARGV, 3 do
  local every, burst = number(ARGV[index + 1]), number(ARGV[index + 2])
  local full = tonumber(redis.call('HGET', KEYS[1], 'bucket:' .. ARGV[index]) or '0') or 0
  full = math.min(full, now + burst * every) -- a clock that was set back must not close a bucket for long
  longest = math.max(longest, full - now - (burst - 1) * every)
  names[#names + 1], full_at[#names + 1] = 'bucket:' .. ARGV[index], math.max(full, now) + every
end

local verdict = longest > 0 and 'full' or 'taken'
if ttl > 0 then
  local spent_by = redis.call('GET', KEYS[2])
  if spent_by and spent_by ~= owner then
    verdict = 'spent'
  end
end
redis.call('HSET', KEYS[1], 'level', level, 'began', string.format('%d', began), 'calm', calm,
  'declined', declined, 'expired', expired, 'paid', paid, 'crowded', crowded)
if verdict == 'taken' then
  for index, name in ipairs(names) do
    redis.call('HSET', KEYS[1], name, string.format('%d', full_at[index]))
  end
  if ttl > 0 then
    redis.call('SET', KEYS[2], owner, 'PX', ARGV[14])
  end
end
return {verdict, string.format('%d', math.max(longest, 0)), string.format('%d', level), held[8] or ''}
