-- Count signals, judge whether an attack is going on, and take one out of every bucket or out of none. Two callers in
-- one second come out as if one had waited for the other; the time is this server's. The same in the open:
-- domain/attack.py (`heard`) and domain/limits.py (`take`). A lost answer that is asked for again counts twice, which is
-- stricter, and spends once.
--
-- KEYS  limits · what is spent (the same key again where nothing is)
-- ARGV  declined · expired · paid · WINDOW · RISE · TOP · DECLINES · EXPIRIES · CALM · who spends · ms it stays spent, 0:
--       nothing is · then name, every, burst of each bucket
-- Gives {taken | full | spent, ms to wait, level, forced or ''}.

local function number(text) return assert(tonumber(text), 'a number') end

local time = redis.call('TIME')
local now = number(time[1]) * 1000 + math.floor(number(time[2]) / 1000)
local window, rise, top, declines, expiries, calm_needed =
  number(ARGV[4]), number(ARGV[5]), number(ARGV[6]), number(ARGV[7]), number(ARGV[8]), number(ARGV[9])
local ttl = number(ARGV[11])

local held = redis.call('HMGET', KEYS[1], 'level', 'began', 'calm', 'declined', 'expired', 'paid', 'forced')
local function was(index) return tonumber(held[index] or '0') or 0 end
local level, calm = was(1), was(3)
local began = math.min(was(2), now)
local declined, expired, paid = was(4), was(5), was(6)

local function reach(share)
  return (declined * share >= declines and declined > paid) or (expired * share >= expiries and expired > 10 * paid)
end
local function restart(to, quiet)
  level, calm, began, declined, expired, paid = to, quiet, now, 0, 0, 0
end
if now - began >= window then
  calm = reach(2) and 0 or calm + 1
  if calm >= (level == 1 and calm_needed or 1) then
    restart(math.max(level - 1, 0), 0)
  else
    restart(level, calm)
  end
end
declined, expired, paid = declined + number(ARGV[1]), expired + number(ARGV[2]), paid + number(ARGV[3])
if reach(1) and (level == 0 or now - began >= rise) then
  restart(math.min(level + 1, top), 0)
end

local names, full_at, longest = {}, {}, 0
for index = 12, #ARGV, 3 do
  local every, burst = number(ARGV[index + 1]), number(ARGV[index + 2])
  local full = tonumber(redis.call('HGET', KEYS[1], 'bucket:' .. ARGV[index]) or '0') or 0
  full = math.min(full, now + burst * every) -- a clock that was set back must not close a bucket for long
  longest = math.max(longest, full - now - (burst - 1) * every)
  names[#names + 1], full_at[#names + 1] = 'bucket:' .. ARGV[index], math.max(full, now) + every
end

local verdict = longest > 0 and 'full' or 'taken'
if ttl > 0 then
  local owner = redis.call('GET', KEYS[2])
  if owner and owner ~= ARGV[10] then
    verdict = 'spent'
  end
end
redis.call('HSET', KEYS[1], 'level', level, 'began', string.format('%d', began), 'calm', calm,
  'declined', declined, 'expired', expired, 'paid', paid)
if verdict == 'taken' then
  for index, name in ipairs(names) do
    redis.call('HSET', KEYS[1], name, string.format('%d', full_at[index]))
  end
  if ttl > 0 then
    redis.call('SET', KEYS[2], ARGV[10], 'PX', ARGV[11])
  end
end
return {verdict, string.format('%d', math.max(longest, 0)), string.format('%d', level), held[7] or ''}
