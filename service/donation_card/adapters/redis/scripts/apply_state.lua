-- Apply a state of one Stripe object to the current generation, and to the rebuild if there is one.
--
-- KEYS     meta · versions and totals of the current generation · versions and totals of the rebuild
-- ARGV     kind · site · version · amount · current id · rebuild id or '' · keys of the entries of the object and of its
--          payment in the current generation · the same in the rebuild
-- Returns  {stale_generation}  the ids differ from meta, or the current generation lost a key; nothing was written
--          {applied}
--          {unchanged}  no total changed: this version or a later one was applied before

local state = parse_state(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local meta = redis.call('HMGET', KEYS[1], 'current', 'rebuild')
if meta[1] ~= ARGV[5] or (meta[2] or '') ~= ARGV[6] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'stale_generation'}
end
local current = plan_update(state, KEYS[2], KEYS[3], ARGV[7], ARGV[8])
local planned, rebuild = true, nil
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[4], KEYS[5]) == 2 then -- rebuild_finish notices a rebuild that lost a key
  planned, rebuild = pcall(plan_update, state, KEYS[4], KEYS[5], ARGV[9], ARGV[10])
end

-- Write in every case. WAIT then covers the first write of this state too, although this call may only repeat it.
local updates = redis.call('HINCRBY', KEYS[1], 'updates', 1)
if current then
  apply_update(current, updates)
end
if not planned then -- a damaged rebuild must not stop the campaign
  redis.call('DEL', KEYS[5])
elseif rebuild then
  apply_update(rebuild, updates)
end
return {current and current.changed and 'applied' or 'unchanged'}
