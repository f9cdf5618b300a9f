-- The commands of Redis that the service uses, on tables. Strings only, `false` for nil, as in a script of Redis.

local server -- {data, expires_at, now}: the server that runs the current command

local function hash(key)
  local found = server.data[key]
  if type(found) == 'string' then
    error('WRONGTYPE', 0)
  end
  return found
end

local function text(value)
  return type(value) == 'number' and string.format('%.17g', value) or value
end

local function fields_of(key)
  local names = {}
  for name in pairs(hash(key) or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local commands = {}

function commands.HGET(key, field)
  local found = hash(key)
  return found and found[field] or false
end

function commands.HMGET(key, ...)
  local found, values = hash(key) or {}, {}
  for index, field in ipairs({...}) do
    values[index] = found[field] or false
  end
  return values
end

function commands.HGETALL(key)
  local flat, length = {}, 0
  for name, value in pairs(hash(key) or {}) do
    flat[length + 1], flat[length + 2] = name, value
    length = length + 2
  end
  return flat
end

function commands.HKEYS(key)
  return fields_of(key)
end

function commands.HVALS(key)
  local values = {}
  for index, name in ipairs(fields_of(key)) do
    values[index] = hash(key)[name]
  end
  return values
end

function commands.HLEN(key)
  local length = 0
  for _ in pairs(hash(key) or {}) do
    length = length + 1
  end
  return length
end

function commands.HEXISTS(key, field)
  return commands.HGET(key, field) and 1 or 0
end

function commands.HSET(key, ...)
  local found, new, given = hash(key) or {}, 0, {...}
  for index = 1, #given, 2 do
    local field = text(given[index])
    new = new + (found[field] and 0 or 1)
    found[field] = text(given[index + 1])
  end
  server.data[key] = found
  return new
end

function commands.HSETNX(key, field, value)
  return commands.HGET(key, field) and 0 or commands.HSET(key, field, value)
end

function commands.HDEL(key, ...)
  local found, gone = hash(key), 0
  for _, field in ipairs({...}) do
    if found and found[field] then
      found[field], gone = nil, gone + 1
    end
  end
  if found and not next(found) then
    server.data[key] = nil
  end
  return gone
end

function commands.HINCRBY(key, field, by)
  local value = tonumber(commands.HGET(key, field) or '0') + tonumber(by)
  commands.HSET(key, field, string.format('%.0f', value))
  return value
end

function commands.ZADD(key, score, member)
  return commands.HSET(key, member, score)
end

-- Return flat members and scores with the highest score first.
local function ranked(key)
  local found = {}
  for member, score in pairs(hash(key) or {}) do
    found[#found + 1] = {member, tonumber(score)}
  end
  table.sort(found, function(one, other)
    return one[2] > other[2] or one[2] == other[2] and one[1] > other[1]
  end)
  return found
end

function commands.ZREVRANGE(key)
  local first = ranked(key)[1]
  return first and {first[1], text(first[2])} or {}
end

function commands.ZRANGEBYSCORE(key, above)
  local found, members = ranked(key), {}
  for index = #found, 1, -1 do
    if found[index][2] > tonumber(string.sub(above, 2)) then
      members[#members + 1] = found[index][1]
    end
  end
  return members
end

function commands.EXISTS(...)
  local found = 0
  for _, key in ipairs({...}) do
    found = found + (server.data[key] and 1 or 0)
  end
  return found
end

function commands.DEL(...)
  local gone = commands.EXISTS(...)
  for _, key in ipairs({...}) do
    server.data[key], server.expires_at[key] = nil, nil
  end
  return gone
end

commands.UNLINK = commands.DEL

function commands.GET(key)
  if (server.expires_at[key] or math.huge) <= server.now then
    commands.DEL(key)
  end
  return server.data[key] or false
end

function commands.SET(key, value, unit, lifetime)
  server.data[key], server.expires_at[key] = text(value), nil
  if unit then
    server.expires_at[key] = server.now + tonumber(lifetime) / (unit == 'EX' and 1 or 1000)
  end
  return {ok = 'OK'}
end

function commands.PTTL(key)
  if not commands.GET(key) then
    return -2
  end
  return server.expires_at[key] and math.floor((server.expires_at[key] - server.now) * 1000) or -1
end

function commands.TIME()
  return {string.format('%d', server.now), '0'}
end

redis = {}

function redis.call(name, ...)
  local command = commands[name] or error('unknown command ' .. tostring(name), 0)
  return command(...)
end

function redis.pcall(name, ...)
  local ok, found = pcall(redis.call, name, ...)
  return ok and found or {err = found}
end

-- Only lists of simple strings are encoded.
cjson = {}

function cjson.encode(list)
  return '["' .. table.concat(list, '","') .. '"]'
end

function cjson.decode(encoded)
  local list = {}
  for part in string.gmatch(encoded, '"([^"]*)"') do
    list[#list + 1] = part
  end
  return list
end

local function copied(hashes)
  local all = {}
  for key, found in pairs(hashes) do
    if type(found) == 'table' then
      local fields = {}
      for name, value in pairs(found) do
        fields[name] = value
      end
      found = fields
    end
    all[key] = found
  end
  return all
end

local function reply(found)
  if type(found) == 'table' then
    return unpack(found, 1, #found)
  end
  return found
end

return {
  new = function()
    return {data = {}, expires_at = {}, now = 0}
  end,
  copy = function(given)
    return {data = copied(given.data), expires_at = copied(given.expires_at), now = given.now}
  end,
  keys = function(given)
    local names = {}
    for name in pairs(given.data) do
      names[#names + 1] = name
    end
    table.sort(names)
    return unpack(names)
  end,
  call = function(given, now, name, ...)
    server, given.now = given, now
    return reply(redis.call(name, ...))
  end,
  eval = function(given, now, script, number_of_keys, ...)
    server, given.now = given, now
    local args, keys = {...}, {}
    for index = 1, number_of_keys do
      keys[index] = table.remove(args, 1)
    end
    return reply(script(keys, args))
  end,
}
