"""Random container names: an adjective and the surname of someone who built, measured or proved something. Pure."""

from __future__ import annotations

ADJECTIVES = """
able agile airy amber ample apt ardent avid azure balmy blithe bold brave breezy bright brisk bubbly calm candid
careful cheerful civil clever coastal copper coral cosy crisp curious dapper daring deft dreamy eager early earnest
easy elated fair fearless festive fleet fluent fond frank fresh gallant gentle gifted glad golden graceful grand happy
hardy hearty honest humble jaunty jolly jovial keen kind lively loyal lucid lucky lunar mellow merry mild mindful
modest nautical neat nimble noble orderly patient peaceful placid plucky polite proud quick quiet radiant ready rosy
rugged serene sharp shiny silver sincere sleek smart snappy snug sober solar spry stately steady stellar sturdy sunny
swift tender thrifty tidal tidy tranquil trusty upbeat valiant vivid warm watchful wise witty zesty
"""

SURNAMES = """
abel aiken allen almeida ampere anning apgar archimedes ardern arkwright artin avogadro babbage backus bardeen bartik
bascom bassi becquerel bell benz berners bessel blackwell bohr boole borg bose boyle brahe brahmagupta braun brunel
bulfinch burnell cannon cantor cardano carson carver cauchy cavendish celsius cerf chandra chatelet cholesky church
clarke clausius cohn colden conway copernicus coriolis coulomb cray crick curie cuvier daguerre dalton darwin davy
dedekind descartes diesel dijkstra dirac doppler easley eddington edison eiffel einstein elion ellet engelbart
eratosthenes erdos euclid euler faraday fermat fermi feynman fibonacci fleming foucault fourier franklin frege fresnel
fulton galileo galois galvani gauss germain gibbs gilbreth godel goeppert goldberg goodall grothendieck gutenberg hahn
haller halley hamilton hamming hardy harvey hawking heaviside heisenberg hermite herschel hertz hilbert hodgkin
holberton hooke hopper hubble humboldt huygens hypatia jacobi jacquard jang jemison jenner johnson joliot joule
kapitza karle kelvin kepler khayyam khorana kilby klein knuth kolmogorov kovalevskaya lagrange lamarr lamport landau
laplace lavoisier leavitt leibniz lenz levi linnaeus liskov lister lorentz lovelace lumiere lyell mach marconi maxwell
mayer mccarthy mcclintock meitner mendel mendeleev mercator mersenne michelson milne mirzakhani mitchell morse napier
nash newton nightingale nobel noether noyce oersted ohm oppenheimer ostrom papin pappus pascal pasteur pauli pavlov
payne peano pearson perlman pike planck poincare poisson ptolemy pythagoras raman ramanujan rankine ride riemann
ritchie robinson roentgen rubin rutherford sagan salk schrodinger seaborg shannon shaw shockley siemens sinoussi snell
somerville stephenson stokes swan swartz swirles tarski telford tesla thales thompson torvalds tu turing varahamihira
vaughan volta wallace watson watt weierstrass weil wescoff whittle wien wiles wing wozniak wright wu yalow yonath
zeppelin zuse
"""

_SECOND_TRY = 100


def random_name(entropy: bytes, attempt: int = 0) -> str:
    """A name such as `brisk_lovelace`, chosen by at least four random bytes; later *attempt*s carry a digit."""
    number = int.from_bytes(entropy[:4], "little")
    adjectives, surnames = ADJECTIVES.split(), SURNAMES.split()
    number, place = divmod(number, len(surnames))
    name = f"{adjectives[number % len(adjectives)]}_{surnames[place]}"
    return f"{name}{(number // len(adjectives)) % _SECOND_TRY}" if attempt else name
