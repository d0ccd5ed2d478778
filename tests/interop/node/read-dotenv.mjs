// Reads a JSON array of dotenv texts from stdin. Writes for each reader what it reads of each text: an object, or null
// if it refuses the text. Nothing of this process's environment takes part.
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import dotenv from 'dotenv'
import classic from 'dotenv-17'
import expand from 'dotenv-expand'
import dotenvx from '@dotenvx/dotenvx'

const readers = {
  'dotenv 18': text => dotenv.parse(text),
  'dotenv 18, fast': text => dotenv.parse(text, { fast: true }),
  'dotenv 17': text => classic.parse(text),
  // The parser of `node --env-file`.
  'node --env-file': text => parseEnv(text),
  'dotenv-expand': text => expand.expand({ parsed: classic.parse(text), processEnv: {} }).parsed,
  dotenvx: text => dotenvx.parse(text, { processEnv: {} })
}

const orNull = (read, text) => { try { return read(text) } catch { return null } }
const texts = JSON.parse(readFileSync(0, 'utf8'))
const found = Object.entries(readers).map(([name, read]) => [name, texts.map(text => orNull(read, text))])
process.stdout.write(JSON.stringify(Object.fromEntries(found)))
