-- Apply a state that a rebuild read at Stripe to the rebuild only.
--
-- KEYS     meta · versions and totals of the rebuild
-- ARGV     kind · site · version · rebuild id · hash of the object there · cumulative amounts of the versions 0…version
-- Returns  {invalidated}  another rebuild began, or this one lost a key; nothing was written
--          {ok}

local state = parse_state(ARGV[1], ARGV[2], ARGV[3], 6)
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[4] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'invalidated'}
end
local update = plan_update(state, KEYS[2], KEYS[3], ARGV[5])
if update then
  apply_update(update)
end
return {'ok'}
