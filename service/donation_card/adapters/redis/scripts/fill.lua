-- Join one state into the shadow alone: what a rebuild found at Stripe.
--
-- KEYS  meta · ranks, totals of the shadow
-- ARGV  kind · site · rank · shadow id · the object's hash there · contributions[0…rank]
-- Gives {gone} (there is another shadow now, or none, or it is broken: nothing was written) · {filled}.

local state = read_state(ARGV[1], ARGV[2], ARGV[3], 6)
if redis.call('HGET', KEYS[1], 'shadow') ~= ARGV[4] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'gone'}
end
local change = plan(state, KEYS[2], KEYS[3], ARGV[5])
if change then
  write(change)
end
return {'filled'}
