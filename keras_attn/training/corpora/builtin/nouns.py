"""The nouns of the built-in lexicon, as a table.

A heading in brackets names the semantic classes of the lines below it. A line is:
lemma, gender (`mw`, `fw`: the weak n-declension), plural (`-`: a mass noun), English
(`_` joins words; after `/` an irregular plural), then further classes (`+class`) or an
irregular genitive (`=Busses`).
"""

__all__ = ["NOUNS"]

NOUNS = """
[person family]
Vater m Väter father +parent
Mutter f Mütter mother +parent
Bruder m Brüder brother
Schwester f Schwestern sister
Sohn m Söhne son
Tochter f Töchter daughter
Großmutter f Großmütter grandmother
Onkel m Onkel uncle
Tante f Tanten aunt
Neffe mw Neffen nephew
Freund m Freunde friend
Nachbar mw Nachbarn neighbour
Kollege mw Kollegen colleague
[person]
Mann m Männer man/men
Frau f Frauen woman/women
Kind n Kinder child/children
Junge mw Jungen boy
Mädchen n Mädchen girl
Baby n Babys baby
Lehrer m Lehrer teacher
Arzt m Ärzte doctor
Student mw Studenten student
Schüler m Schüler pupil
Polizist mw Polizisten police_officer
Kellnerin f Kellnerinnen waitress
König m Könige king
Königin f Königinnen queen
Prinz mw Prinzen prince
Bauer mw Bauern farmer
Maler m Maler painter
Schauspielerin f Schauspielerinnen actress
Tourist mw Touristen tourist
Gast m Gäste guest
Dieb m Diebe thief/thieves
Richter m Richter judge
Krankenschwester f Krankenschwestern nurse
Taxifahrer m Taxifahrer taxi_driver
Musiklehrer m Musiklehrer music_teacher
[animal]
Hund m Hunde dog +predator
Katze f Katzen cat +predator +climber
Pferd n Pferde horse
Vogel m Vögel bird +small
Maus f Mäuse mouse/mice +small
Schaf n Schafe sheep/sheep
Ente f Enten duck +small
Gans f Gänse goose/geese +small
Schwein n Schweine pig
Löwe mw Löwen lion +predator
Bär mw Bären bear +predator +climber
Elefant mw Elefanten elephant
Affe mw Affen monkey +climber
Hase mw Hasen hare +small
Wolf m Wölfe wolf/wolves +predator
Fuchs m Füchse fox +predator
Esel m Esel donkey
Frosch m Frösche frog +small
Wachhund m Wachhunde guard_dog
[food]
Apfel m Äpfel apple +fruit
Birne f Birnen pear +fruit
Banane f Bananen banana
Erdbeere f Erdbeeren strawberry +fruit
Kirsche f Kirschen cherry +fruit
Tomate f Tomaten tomato/tomatoes +fruit
Kartoffel f Kartoffeln potato/potatoes +cooked
Ei n Eier egg +cooked
Suppe f Suppen soup +cooked
Wurst f Würste sausage
Kuchen m Kuchen cake +baked
Brötchen n Brötchen roll +baked
Pizza f Pizzas pizza +baked
Apfelkuchen m Apfelkuchen apple_cake +baked
Schokoladenkuchen m Schokoladenkuchen chocolate_cake +baked
Gemüsesuppe f Gemüsesuppen vegetable_soup +cooked
Kartoffelsalat m Kartoffelsalate potato_salad
Brot n - bread +baked
Käse m - cheese
Fleisch n - meat +cooked
Reis m - rice +cooked
Honig m - honey
Schokolade f - chocolate
[drink]
Wasser n - water
Milch f - milk
Kaffee m - coffee
Tee m - tea
Bier n - beer
Wein m - wine
Saft m - juice +juice
Orangensaft m - orange_juice +juice
Apfelsaft m - apple_juice +juice
[readable paper]
Buch n Bücher book +written
Brief m Briefe letter +written +sent
Zeitung f Zeitungen newspaper
Roman m Romane novel +written
Postkarte f Postkarten postcard +written +sent
Kinderbuch n Kinderbücher children's_book +written
Kochbuch n Kochbücher cookbook +written
Liebesbrief m Liebesbriefe love_letter +written +sent
[readable]
Gedicht n Gedichte poem +written
Bericht m Berichte report +written
Nachricht f Nachrichten message +written +sent
Witz m Witze joke +told
Geschichte f Geschichten story +written +told
Märchen n Märchen fairy_tale +written +told
[clothes]
Hut m Hüte hat
Mantel m Mäntel coat
Hemd n Hemden shirt
Rock m Röcke skirt
Jacke f Jacken jacket
Pullover m Pullover sweater
Anzug m Anzüge suit
Lederjacke f Lederjacken leather_jacket
Sommerkleid n Sommerkleider summer_dress
[thing upright]
Koffer m Koffer suitcase +openable +container
Glas n Gläser glass
Flasche f Flaschen bottle +openable
Korb m Körbe basket +container
Lampe f Lampen lamp +device
Weinglas n Weingläser wine_glass
[thing]
Ball m Bälle ball
Schlüssel m Schlüssel key
Tasche f Taschen bag +openable +container
Messer n Messer knife/knives
Gabel f Gabeln fork
Geschenk n Geschenke gift +openable +sent +parcel
Blume f Blumen flower +flower +planted
Bild n Bilder picture +sight
Kamera f Kameras camera +device
Handy n Handys mobile_phone +device
Kreditkarte f Kreditkarten credit_card
Regenschirm m Regenschirme umbrella
Kerze f Kerzen candle
Bleistift m Bleistifte pencil
Decke f Decken blanket
Kissen n Kissen pillow
Schachtel f Schachteln box +openable +container
Paket n Pakete parcel +openable +sent +parcel
Geige f Geigen violin
[device]
Radio n Radios radio
Fernseher m Fernseher television
Waschmaschine f Waschmaschinen washing_machine
[furniture surface]
Tisch m Tische table
Bett n Betten bed
Sessel m Sessel armchair
Teppich m Teppiche carpet
Küchentisch m Küchentische kitchen_table
[furniture]
Schrank m Schränke cupboard +openable +container
Regal n Regale shelf/shelves
[room place]
Küche f Küchen kitchen
Badezimmer n Badezimmer bathroom
Wohnzimmer n Wohnzimmer living_room
Esszimmer n Esszimmer dining_room
Büro n Büros office
Garage f Garagen garage
[building place]
Haus n Häuser house +sight
Kirche f Kirchen church +sight
Hotel n Hotels hotel
Restaurant n Restaurants restaurant
Museum n Museen museum +sight
Theater n Theater theatre
Supermarkt m Supermärkte supermarket
Bahnhof m Bahnhöfe train_station
Schloss n Schlösser castle +sight
Bibliothek f Bibliotheken library
[outdoors place]
Garten m Gärten garden
Park m Parks park =Parks
Wald m Wälder forest
Stadt f Städte city
Dorf n Dörfer village
Stadtpark m Stadtparks city_park
[vehicle]
Auto n Autos car +owned
Bus m Busse bus/buses +transit =Busses
Zug m Züge train +transit
Fahrrad n Fahrräder bicycle +owned
Taxi n Taxis taxi +transit
Motorrad n Motorräder motorcycle +owned
Boot n Boote boat +owned
Flugzeug n Flugzeuge plane +plane
Straßenbahn f Straßenbahnen tram +transit
Schulbus m Schulbusse school_bus/school_buses +transit =Schulbusses
Sportwagen m Sportwagen sports_car +owned
Polizeiauto n Polizeiautos police_car
[landmark]
Brücke f Brücken bridge +sight +built
Turm m Türme tower +sight +built +high
Mauer f Mauern wall +built +high
Baum m Bäume tree +high +planted
Apfelbaum m Apfelbäume apple_tree +high +planted
Berg m Berge mountain +sight +high
Fluss m Flüsse river +sight
See m Seen lake +sight
[part]
Tür f Türen door +openable
Fenster n Fenster window +openable
Haustür f Haustüren front_door +openable
Dach n Dächer roof +high +built
[show]
Film m Filme film
Spiel n Spiele game +event
Konzert n Konzerte concert +event
[topic]
Problem n Probleme problem +task
Antwort f Antworten answer
Idee f Ideen idea
Traum m Träume dream +told
Kurs m Kurse course +event
Fehler m Fehler mistake
Rätsel n Rätsel puzzle +task
Aufgabe f Aufgaben task +task
"""
