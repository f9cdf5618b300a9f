-- Join one state of one Stripe object: in the live generation, and in the shadow while one is being filled.
--
-- KEYS  meta · ranks, totals of live · ranks, totals of the shadow
-- ARGV  kind · site · rank · live id · the object's hash there · shadow id, or '' · its hash there · contributions[0…rank]
-- Gives {moved} (the ids are not those of meta, or live is broken: nothing was written) · {applied} · {unchanged}.

local state = read_state(ARGV[1], ARGV[2], ARGV[3], 8)
local meta = redis.call('HMGET', KEYS[1], 'live', 'shadow')
if meta[1] ~= ARGV[4] or (meta[2] or '') ~= ARGV[6] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'moved'}
end
local live = plan(state, KEYS[2], KEYS[3], ARGV[5])
local shadow = nil
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[4], KEYS[5]) == 2 then -- a broken shadow is for its rebuild to find
  shadow = plan(state, KEYS[4], KEYS[5], ARGV[7])
end

redis.call('HINCRBY', KEYS[1], 'joins', 1) -- always a write: WAIT then covers the one before it, also for a repetition
if live then
  write(live)
end
if shadow then
  write(shadow)
end
return {live and 'applied' or 'unchanged'}
