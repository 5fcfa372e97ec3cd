"""Adjectives, adverbials, names and prepositions of the built-in lexicon, as tables."""

__all__ = [
    "ADJECTIVES",
    "ADVERBS",
    "CITIES",
    "CONJUNCTIONS",
    "NAMES",
    "PREPOSITIONS",
    "TIMES",
]

# Lemma, comparative (`-`: none used), English, English comparative, classes.
# A lemma `teuer/teur` names the stem that endings attach to.
ADJECTIVES = """
groß größer big bigger landmark person animal thing vehicle furniture room building \
  outdoors clothes fruit
klein kleiner small smaller landmark person animal thing vehicle furniture room \
  building outdoors clothes fruit
schön schöner beautiful more_beautiful landmark animal clothes thing furniture \
  building outdoors sight show readable
alt älter old older person animal thing vehicle furniture building clothes device \
  paper landmark
neu - new - thing vehicle furniture device clothes paper show part
jung jünger young younger person animal
müde - tired - person animal
krank - ill - person animal
glücklich glücklicher happy happier person
traurig trauriger sad sadder person show readable
nett netter nice nicer person
freundlich freundlicher friendly friendlier person animal
reich reicher rich richer person
arm ärmer poor poorer person
klug klüger clever cleverer person animal
fleißig fleißiger hard-working more_hard-working person
faul fauler lazy lazier person animal
mutig mutiger brave braver person predator
berühmt berühmter famous more_famous person sight building
höflich höflicher polite politer person
ehrlich ehrlicher honest more_honest person
stark stärker strong stronger person predator animal
hungrig hungriger hungry hungrier person animal
wütend wütender angry angrier person predator
neugierig neugieriger curious more_curious person animal
stolz stolzer proud prouder person
wild wilder wild wilder animal
gefährlich gefährlicher dangerous more_dangerous predator vehicle
schnell schneller fast faster animal vehicle
langsam langsamer slow slower animal vehicle
rot - red - clothes vehicle thing furniture flower part
blau - blue - clothes vehicle thing furniture part
grün - green - clothes vehicle thing furniture part
gelb - yellow - clothes vehicle thing furniture part
schwarz - black - clothes vehicle thing furniture animal
weiß - white - clothes vehicle thing furniture animal
braun - brown - clothes thing furniture animal
teuer/teur teurer expensive more_expensive clothes thing vehicle furniture device \
  drink food
billig billiger cheap cheaper clothes thing vehicle furniture device drink food
kaputt - broken - thing vehicle device furniture part
schwer schwerer heavy heavier thing furniture device
leicht leichter light lighter thing furniture
nützlich nützlicher useful more_useful thing device
sauber sauberer clean cleaner clothes thing vehicle room
schmutzig schmutziger dirty dirtier clothes thing vehicle room
süß süßer sweet sweeter baked fruit juice
frisch - fresh - food juice
lecker - delicious - food juice
warm wärmer warm warmer clothes room cooked baked
kalt kälter cold colder drink room cooked
interessant interessanter interesting more_interesting readable show topic person
langweilig langweiliger boring more_boring readable show topic person
lustig lustiger funny funnier readable show person
lang länger long longer readable show clothes
kurz kürzer short shorter readable show clothes
spannend spannender exciting more_exciting readable show
ruhig ruhiger quiet quieter person room outdoors building
modern moderner modern more_modern building room furniture device
dunkel/dunkl dunkler dark darker room outdoors
hell heller bright brighter room
gemütlich gemütlicher cosy cosier room building furniture
schwierig schwieriger difficult more_difficult topic
wichtig wichtiger important more_important topic readable
einfach einfacher simple simpler topic
hoch/hoh höher high higher high
"""

# German tokens = English tokens, links, and the tenses it goes with (`*`: all).
# A link `i-j` is sure, `ipj` possible; without links word i goes with word i.
TIMES = """
gestern = yesterday | | past
gestern Abend = yesterday evening | | past
vorgestern = the day before yesterday | 0-0 0-1 0-2 0-3 | past
letzte Woche = last week | | past
letzten Monat = last month | | past
letztes Jahr = last year | | past
letzten Sommer = last summer | | past
vor zwei Tagen = two days ago | 1-0 2-1 0-2 | past
vor einer Stunde = an hour ago | 1-0 2-1 0-2 | past
heute = today | | *
heute Morgen = this morning | | past
heute Abend = this evening | | future
morgen = tomorrow | | future
übermorgen = the day after tomorrow | 0-0 0-1 0-2 0-3 | future
bald = soon | | future
nächste Woche = next week | | future
nächsten Monat = next month | | future
nächstes Jahr = next year | | future
in drei Tagen = in three days | | future
am Montag = on Monday | | *
am Dienstag = on Tuesday | | *
am Mittwoch = on Wednesday | | *
am Donnerstag = on Thursday | | *
am Freitag = on Friday | | *
am Samstag = on Saturday | | *
am Sonntag = on Sunday | | *
jeden Tag = every day | | present
jeden Morgen = every morning | | present
jede Woche = every week | | present
jedes Jahr = every year | | present
am Wochenende = at the weekend | 0-0 0-1 1-2 | *
am Abend = in the evening | 0-0 0-1 1-2 | *
am Nachmittag = in the afternoon | 0-0 0-1 1-2 | *
im Sommer = in summer | | *
im Winter = in winter | | *
nachts = at night | 0-0 0-1 | present
jetzt = now | | present
"""

# German, English, kind: `often` stands before the English verb, `front` opens the
# sentence, `manner` follows the English verb, `plural` too, after a plural subject.
ADVERBS = """
oft often often
immer always often
manchmal sometimes often
selten rarely often
vielleicht perhaps front
leider unfortunately front
natürlich naturally front
deshalb therefore front
allein alone manner
heimlich secretly manner
viel a_lot manner
zusammen together plural
"""

NAMES = """
Anna f
Maria f
Julia f
Emma f
Lena f
Nina f
Eva f
Peter m
Paul m
Tom m
Jan m
Leo m
David m
Martin m
"""

CITIES = """
Berlin Berlin
Hamburg Hamburg
London London
Paris Paris
Wien Vienna
München Munich
Köln Cologne
Rom Rome
Prag Prague
Madrid Madrid
"""

# German, case with a place, English of a place, English of a direction.
PREPOSITIONS = """
in in into
auf on onto
unter under under
hinter behind behind
vor in_front_of in_front_of
neben next_to next_to
"""

# German, English, the pairs of tense groups main-subordinate that make sense.
CONJUNCTIONS = """
weil because present-present past-past future-present
obwohl although present-present past-past future-present
wenn if present-present future-present
sobald as_soon_as present-present future-present
bevor before present-present past-past
während while present-present past-past
als when past-past
"""
