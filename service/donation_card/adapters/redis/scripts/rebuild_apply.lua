-- Apply a state that a rebuild read at Stripe to the rebuild only.
--
-- KEYS     meta · versions and totals of the rebuild
-- ARGV     kind · site · version · amount · rebuild id · keys of the entries of the object and of its payment there
-- Returns  {invalidated}  another rebuild began, or this one lost a key; nothing was written
--          {ok}

local state = parse_state(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[5] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'invalidated'}
end
local update = plan_update(state, KEYS[2], KEYS[3], ARGV[6], ARGV[7])
if update then
  apply_update(update, 0)
end
return {'ok'}
