import assert from 'node:assert/strict'

// required returns a variable that TestDashboard sets.
export const required = (name) => {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; \`make e2e\` starts what these tests need`)
  return value
}
