"""The verbs of the built-in lexicon, as a table.

A line has four columns. German: the infinitive (a dot closes a separable prefix, \
  `sich_`
marks a reflexive verb), then for a strong verb the third person singular, the past and
the participle of the verb without its prefix, then `s` if the perfect takes `sein`.
English: the verb (`base:past` when irregular) and further words; `+word` translates the
prefix. Then the classes of its subjects, and its frame:

- `acc`, `dat`, `datacc` and the classes of the (accusative) object;
- `prep PREPOSITION CASE ENGLISH` and the classes of the prepositional object;
- `loc`, `seat`, `dir`, `drive`, `fly`, `climb` a place or direction; `put` an object \
  and a direction;
- `-` nothing. A last `@` allows a free place, `!` a manner adverb.
"""

__all__ = ["VERBS"]

VERBS = """
lesen liest las gelesen | read:read | person | acc readable @
schreiben schreibt schrieb geschrieben | write:wrote | person | acc written @
kaufen | buy:bought | person | acc food clothes thing vehicle furniture paper
brauchen | need | person | acc clothes thing device furniture owned transit
essen isst aß gegessen | eat:ate | person | acc food @
trinken trinkt trank getrunken | drink:drank | person | acc drink @
kochen | cook | person | acc cooked
backen bäckt backte gebacken | bake | person | acc baked
sehen sieht sah gesehen | see:saw | person animal | acc person animal vehicle \
  landmark building outdoors
verlieren verliert verlor verloren | lose:lost | person | acc thing clothes
verstecken | hide:hid | person | acc thing paper
tragen trägt trug getragen | wear:wore | person | acc clothes
waschen wäscht wusch gewaschen | wash | person | acc clothes owned
an.probieren | try +on | person | acc clothes
öffnen | open | person | acc openable
schließen schließt schloss geschlossen | close | person | acc openable
auf.machen | open | person | acc openable
reparieren | repair | person | acc vehicle device furniture part
bauen | build:built | person | acc building built furniture
zeichnen | draw:drew | person | acc animal sight planted
fotografieren | photograph | person | acc animal sight person outdoors landmark
besuchen | visit | person | acc person building outdoors
kennen kennt kannte gekannt | know:knew | person | acc person
lieben | love | person | acc person animal show
fragen | ask | person | acc person
ein.laden lädt lud geladen | invite | person | acc person
an.rufen ruft rief gerufen | call | person | acc person
ab.holen | pick +up | person | acc person parcel
an.sehen sieht sah gesehen | look +at | person | acc sight animal show
auf.räumen | tidy +up | person | acc room
putzen | clean | person | acc room furniture clothes
zurück.geben gibt gab gegeben | give:gave +back | person | acc thing paper
mit.bringen bringt brachte gebracht | bring:brought +along | person | acc food drink \
  thing
vergessen vergisst vergaß vergessen | forget:forgot | person | acc thing clothes topic
beschreiben beschreibt beschrieb beschrieben | describe | person | acc topic sight \
  person
hören | hear:heard | person | acc show animal vehicle
schneiden schneidet schnitt geschnitten | cut:cut | person | acc baked fruit
fangen fängt fing gefangen | catch:caught | person predator | acc small
retten | rescue | person | acc person animal
pflanzen | plant | person | acc planted
verpassen | miss | person | acc transit event
haben | have:had | person | acc thing clothes animal vehicle topic
geben gibt gab gegeben | give:gave | person | datacc thing food drink paper
zeigen | show | person | datacc sight thing readable animal
schicken | send:sent | person | datacc sent
bringen bringt brachte gebracht | bring:brought | person | datacc food drink thing
erzählen | tell:told | person | datacc told
helfen hilft half geholfen | help | person | dat person
folgen s | follow | person animal | dat person animal vehicle
antworten | answer | person | dat person
zu.hören | listen +to | person | dat person
gehören | belong to | vehicle thing clothes | dat person
warten | wait | person | prep auf acc for transit person
denken denkt dachte gedacht | think:thought | person | prep an acc of person topic show
lachen | laugh | person | prep über acc at person animal show
träumen | dream | person | prep von dat of person vehicle animal
spielen | play | person | prep mit dat with person animal
teil.nehmen nimmt nahm genommen | take:took +part | person | prep an dat in event
schlafen schläft schlief geschlafen | sleep:slept | person animal | - @ !
arbeiten | work | person | - @ !
weinen | cry | person | - @ !
singen singt sang gesungen | sing:sang | person | - @ !
tanzen | dance | person | - @ !
frühstücken | have:had breakfast | person | - @
auf.stehen steht stand gestanden s | get:got +up | person animal | -
auf.wachen s | wake:woke +up | person animal | -
ein.schlafen schläft schlief geschlafen s | fall:fell +asleep | person animal | - @
an.kommen kommt kam gekommen s | arrive | person vehicle | -
ab.fahren fährt fuhr gefahren s | depart | vehicle | -
zurück.kommen kommt kam gekommen s | come:came +back | person animal | -
aus.gehen geht ging gegangen s | go:went +out | person | - !
ein.kaufen | shop:shopped | person | - !
fern.sehen sieht sah gesehen | watch +television | person | - @ !
sich_aus.ruhen | rest | person animal | - @
wohnen | live | person | loc
bleiben bleibt blieb geblieben s | stay | person animal | loc
sitzen sitzt saß gesessen | sit:sat | person animal | seat
liegen liegt lag gelegen | lie:lay | animal thing paper | seat
gehen geht ging gegangen s | go:went | person | dir
laufen läuft lief gelaufen s | run:ran | person animal | dir
kommen kommt kam gekommen s | come:came | person | dir
fahren fährt fuhr gefahren s | drive:drove | person | drive
fliegen fliegt flog geflogen s | fly:flew | plane person | fly
klettern s | climb | person climber | climb
stellen | put:put | person | put upright
legen | put:put | person | put thing clothes paper
glauben | believe | person | that
sagen | say:said | person | that
wissen weiß wusste gewusst | know:knew | person | that
hoffen | hope | person | that
versuchen | try | person | zu
planen | plan:planned | person | zu
beschließen beschließt beschloss beschlossen | decide | person | zu
an.fangen fängt fing gefangen | begin:began | person | zu
regnen | rain | weather | -
schneien | snow | weather | -
sein ist war gewesen s | be:was | - | be
"""
