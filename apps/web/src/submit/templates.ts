// Jobs to begin with. Each is a whole program that does what its card says; what it prints and writes is its own work.
import type { Draft } from './draft.ts'

export type Template = { readonly id: string; readonly name: string; readonly says: string; /** Words by which it is found, besides those above. */ readonly tags: readonly string[]; readonly draft: Partial<Draft> }

const PI = `// Throws darts at a square and counts those inside the circle.
const [part = '1', seed = part] = Deno.args
const throws = 200_000_000
let state = 0x9e3779b9 ^ Number(seed), inside = 0
const chance = () => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) / 4294967296 }
for (let i = 1; i <= throws; i++) {
  const x = chance(), y = chance()
  if (x * x + y * y <= 1) inside++
  if (i % 20_000_000 === 0) console.log(\`part \${part}: \${i / 1_000_000} million darts, pi is about \${(4 * inside / i).toFixed(6)}\`)
}
Deno.writeTextFileSync(\`pi-\${part}.json\`, JSON.stringify({ part, throws, inside, pi: 4 * inside / throws }, null, 2))
`
const PRIMES = `# Counts primes with the sieve of Eratosthenes.
import sys
most = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
sieve = bytearray([1]) * (most + 1)
sieve[0:2] = b"\\0\\0"
for number in range(2, int(most ** 0.5) + 1):
    if sieve[number]:
        sieve[number * number::number] = bytes(len(range(number * number, most + 1, number)))
print(f"{sum(sieve)} primes up to {most}")
with open("largest.txt", "w") as file:
    file.write("\\n".join(str(number) for number in range(most, 0, -1) if sieve[number])[:2000])
`
const FRACTAL = `// Draws the Mandelbrot set as a picture that a browser can show.
const width = 150, height = 100, rounds = 60
const rows = []
for (let y = 0; y < height; y++) {
  let from = 0, last = -1, row = ''
  for (let x = 0; x <= width; x++) {
    let n = -1
    if (x < width) {
      const a = (x / width) * 3 - 2.1, b = (y / height) * 2 - 1
      let re = 0, im = 0
      for (n = 0; n < rounds && re * re + im * im < 4; n++) [re, im] = [re * re - im * im + a, 2 * re * im + b]
    }
    if (n === last) continue
    if (last >= 0) row += \`<rect x="\${from}" y="\${y}" width="\${x - from}" height="1" fill="\${last === rounds ? '#101322' : \`hsl(\${220 + last * 9} 70% \${25 + last}%)\`}"/>\`
    from = x
    last = n
  }
  rows.push(row)
  if ((y + 1) % 25 === 0) console.log(\`\${y + 1} of \${height} rows\`)
}
Deno.writeTextFileSync('mandelbrot.svg', \`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \${width} \${height}" shape-rendering="crispEdges">\${rows.join('')}</svg>\`)
`
export const TEMPLATES: readonly Template[] = [
  { id: 'pi', name: 'Estimate π', says: 'JavaScript, four parts side by side, each throwing 200 million darts. Leaves a JSON file per part.', tags: ['parallel', 'pi', 'Monte Carlo', 'random', 'simulation'], draft: { name: 'Estimate pi', runtime: 'javascript', code: PI, args: '', parts: '1 101\n2 202\n3 303\n4 404', cores: 0.5, memoryMib: 256 } },
  { id: 'fractal', name: 'Draw a fractal', says: 'JavaScript, one part. Leaves a picture to look at.', tags: ['Mandelbrot', 'image', 'SVG', 'graphics'], draft: { name: 'Mandelbrot', runtime: 'javascript', code: FRACTAL, args: '', parts: '', cores: 0.5, memoryMib: 256 } },
  { id: 'primes', name: 'Count primes', says: 'Python, one part. Counts the primes up to a number that you give as its argument.', tags: ['numbers', 'sieve', 'mathematics'], draft: { name: 'Count primes', runtime: 'python', code: PRIMES, args: '2000000', parts: '', cores: 0.5, memoryMib: 768 } },
  { id: 'program', name: 'A program of the node', says: 'Runs a program that the node has, behind bubblewrap: here the one that tells which system it is.', tags: ['native', 'shell', 'Linux', 'command'], draft: { name: 'Which system', runtime: 'native', code: '', args: 'uname -a', parts: '', cores: 0.5, memoryMib: 256 } },
]
