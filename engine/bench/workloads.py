"""The prompts of `hola bench decode`: texts to copy, questions on passages, two-turn chats, free chat; all made up."""

from __future__ import annotations

from dataclasses import dataclass

from engine.messages import Passage

__all__ = ["CHATS", "COPY", "GROUNDED", "OPEN", "Asked", "passages"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the passages that a search would have found, best first."""

    question: str
    topic: str
    order: tuple[int, ...]
    """Numbers of the topic's passages."""


# ---------------------------------------------------------------- copy

HARBOUR = """\
The harbour of Saltmere lies behind a long breakwater of grey stone. Two lights mark the entrance: a green one on the \
northern head and a red one on the southern head, each nine metres above the water. At low tide the channel is only \
three metres deep, and ships with a deep keel wait outside until the water has risen. The quay is divided into five \
berths. Berths one and two belong to the fishing boats, which leave at four in the morning and come back before noon. \
Berth three is kept free for the mail steamer. Berths four and five are let to visitors for six crowns a night, water \
included. A bell rings when a storm is near; then all boats move to the inner basin, and the gate is closed until the \
wind has dropped."""

LAMP = """\
The lamp in the hall is lit at dusk. Fill the lamp with clean oil up to the upper mark, never above it. Trim the wick \
straight with the small scissors, and wipe the glass with a dry cloth before you put it back. When the lamp burns \
with a yellow tip, turn the wick down until the flame is round and white. A lamp that smokes has too little air: open \
the slide at its foot by one notch. Carry the lamp by its handle only, and keep it upright on the stairs. In the \
morning put out the lamp by the screw, not by blowing, and let it cool for ten minutes before you clean it."""

BIRD = """\
The bird house is cleaned once a year, in October. Take it down from the tree and open the roof. Remove the old nest \
with a stick and put it into the bin. Wash the inside with hot water and a brush, but do not use soap. Let the wood \
dry in the sun for two days. Look at the hole in the front: it must be round and no wider than three centimeters. \
Replace the nails that have rust on them. Hang the bird house back on the tree, two meters above the ground, with \
the hole to the east, so that rain and wind stay outside."""

CLOCK = """\
The old clock in the tower must be wound every Sunday at noon. Climb the stairs slowly and hold the rail. Open the \
glass door and take the key from the hook on the left. Put the key into the hole below the number six and turn it to \
the right, twenty times and not more. Oil the large wheel with one drop of fine oil every three months. Never touch \
the pendulum while the clock is running. If the clock is late, move the long hand forward until it shows the right \
time. Close the glass door, put the key back on its hook, and write the date into the small book."""

GARDEN = """\
The gate of the garden is open from March to October. In the morning the gardener opens it at seven, and in the \
evening he closes it at nine. Dogs must be kept on a leash. Please stay on the paths and do not pick the flowers. \
The water in the fountain is not for drinking. Children may play on the grass behind the pond, but ball games are \
not allowed. Bicycles can be left at the gate. If you want to take part in a tour, write your name on the list at \
the entrance. Lost things are kept in the small house next to the gate for four weeks."""

STOVE = """\
The stove in the kitchen is lit in the morning. Put two sheets of paper and some thin sticks into the fire box, and \
open the damper fully. Light the paper with a long match, and wait until the sticks burn well. Then add two small \
logs, never more than two at a time. Close the damper by half when the logs glow red. If smoke comes into the room, \
open the window and look whether the pipe is clean. Empty the ash into the metal bucket each evening, not before the \
stove is cold. Keep the bucket away from the wooden wall, and carry it outside only when the ash has cooled for one \
day."""

BOAT = """\
The small boat is tied to the pier with two ropes. Before you leave, look at the sky and listen to the weather \
report. Put on a life jacket, and place the oars in the boat. Untie the rope at the front first, then the rope at \
the back. Push the boat away from the pier with your hand, not with your foot. Row along the shore until you pass \
the big rock, and turn left at the old tree. Do not stand up in the boat. When you come back, tie both ropes again, \
and bring the oars and the life jackets into the shed."""

COPY = (
    f"Repeat the following text word for word. Do not change anything.\n\n{BIRD}",
    f"Repeat the following text word for word. Do not change anything.\n\n{CLOCK}",
    f"Repeat the following text word for word. Do not change anything.\n\n{GARDEN}",
    f"Here is a text:\n\n{HARBOUR}\n\nCopy all sentences about the berths.",
    f"{STOVE}\n\nWrite this whole text again with the word 'stove' replaced by 'oven'. Keep all else as it is.",
    f"{BOAT}\n\nWrite this whole text again with the word 'boat' replaced by 'ship'. Keep all else as it is.",
    f"{LAMP}\n\nWrite this whole text again with the word 'lamp' replaced by 'lantern'. Keep all else as it is.",
)
"""Quote, extract and rewrite with small edits: tasks that the bundled model carries out, mostly word for word."""


# ---------------------------------------------------------------- grounded

DAIRY = (
    """\
Making a wheel of cheese, part one. The milk of the evening and the morning is mixed in the copper kettle and warmed \
slowly to 32 degrees. Stir with the long paddle so that no cream settles at the rim. Then add the culture, two spoons \
for each hundred litres, and let the kettle rest for forty minutes with the lid half open. After that the rennet \
follows: 20 millilitres for each hundred litres, thinned with a cup of cold water. Stir for one minute, not longer, \
and stop the movement of the milk with the paddle. The curd is ready when a knife leaves a clean cut and the whey in \
it is clear and green. In summer this takes thirty minutes, in winter up to forty-five. A curd that is cut too early \
loses fat to the whey, and the wheel becomes dry and brittle after a few weeks in the cellar.""",
    """\
Making a wheel of cheese, part two. Cut the curd with the wire harp, first lengthwise, then across, until the grains \
are as large as hazelnuts; for hard wheels go on until they are as small as wheat. Heat the kettle to 45 degrees \
within half an hour while stirring all the time, so that the grains do not stick together. Hold the heat for ten \
minutes, then let the grains sink. Lift them out with the linen cloth, let the whey run off, and put the cloth into \
the wooden mould. Press for twelve hours: the first hour with five kilograms, the next three with fifteen, and the \
rest of the time with forty. Turn the wheel at each change of weight and give it a dry cloth. After pressing, the \
date and the number of the kettle are stamped on the upper side with a brass stamp.""",
    """\
The brine bath. After pressing, the wheels swim in brine for as long as their size demands: small wheels of two \
kilograms for one day, middle wheels of five kilograms for three days, and large wheels of twelve kilograms for six \
days. The brine holds 20 percent salt and is kept at 13 degrees. Turn each wheel once a day and strew a handful of \
dry salt on the side that looks out of the bath. Check the brine every Monday with the float: if it sinks below the \
red line, add salt until it rises again. Once in three months the brine is boiled, skimmed and filtered. A slimy rind \
is a sign that the brine was too weak or too warm; such a wheel is washed with fresh brine, dried, and sold first. \
Never pour old brine into the stream: the lorry of the water works takes it away.""",
    """\
The cellar. Wheels ripen on spruce boards at 12 degrees and with a humidity of 92 percent. In the first two weeks \
each wheel is turned and brushed every day with a cloth that was dipped in light brine; from the third week on twice \
a week is enough. The red smear on the rind is wanted. Black spots are not: scrape them off and dry the place with \
salt. Small wheels are ripe after six weeks, middle wheels after four months, and large wheels after ten months at \
the earliest. Knock on a wheel with the little hammer: a full and even tone tells that it is whole inside, a hollow \
one that there is a crack. Boards are washed with hot water and dried in the sun before they are used again. The door \
of the cellar stays closed during the day, because warm air brings flies and dries the rinds.""",
    """\
Selling and visits. The shop of the dairy is open from Tuesday to Saturday between nine and five; on Sundays the \
vending machine at the gate holds small wheels, butter and milk. A small wheel costs 24 crowns, a middle one 55 and a \
large one 120; quarters are cut on request. Restaurants that order more than thirty kilograms in a month get ten \
percent off. Visitors may look at the kettle through the window at any time, and walk through the cellar on Thursdays \
at two. The tour takes fifty minutes and costs 8 crowns, children under twelve are free. Groups of more than ten \
people ask one week ahead. In the cellar everybody wears a coat and covers for the shoes, which hang at the entrance. \
Dogs wait outside, where there is water and shade for them.""",
)

FERRY = (
    """\
Timetable. From April to October the ferry between Saltmere and the island leaves every hour on the hour, from six in \
the morning until ten in the evening; the way takes 35 minutes. From November to March it leaves every two hours, and \
the last ferry goes at six in the evening. On the first of January there is no ferry at all. The way back begins \
forty minutes after each departure. When the wind is stronger than force eight, the captain on duty decides whether \
the ferry sails, and a yellow flag at the quay tells that it does not. Tickets stay valid for the next possible day. \
On market days, which are Wednesday and Saturday, a second ship goes at half past seven and at half past five. It \
takes no cars, but there is room for carts, baskets and bicycles on the lower deck.""",
    """\
Fares. A single ticket costs 7 crowns for adults and 3 for children between six and fourteen; younger children travel \
free. A book of ten tickets costs 55 crowns and may be used by several people. Bicycles cost 2 crowns, cars 18, and \
cars with a trailer 30. People who live on the island show their blue card and pay half of everything. Tickets are \
sold at the counter until ten minutes before departure and at the machine at any time; on board they cost 2 crowns \
more. A ticket that was not used can be given back within thirty days, and 1 crown is kept for the work. Lost tickets \
are not replaced. Groups from fifteen people on pay for two people less if they travel together. Dogs travel free on \
a leash; a dog without a leash stays on the quay.""",
    """\
Cars on board. Be at lane two or three at least twenty minutes before departure, with the engine off. The crew calls \
the cars one by one: lorries first, then cars with trailers, then all others. Drive at walking pace, follow the signs \
of the crew, and stop when the bumper is a hand's breadth from the one before you. Then put in the first gear, pull \
the handbrake, switch off the alarm and leave the car. Nobody may stay on the car deck while the ferry sails. Gas \
bottles are closed and shown to the crew; canisters with petrol are not allowed. Electric cars may not be charged on \
board. When the loudspeaker calls, go back to the car, but start the engine only after the ramp has touched the quay. \
Cars that have lost their turn wait for the next ferry without paying again.""",
    """\
In an emergency. Seven short tones and a long one on the horn mean that all passengers go to the meeting place on the \
upper deck, at the white signs with the green arrow. Take warm clothes, leave your luggage behind, and use the \
stairs, never the lift. Life jackets lie in the boxes under the benches, those for children in the yellow boxes next \
to the stairs. Put the jacket over your head, pull the belt around your back and close it in front, then pull both \
ends until it sits tight. The crew counts the passengers and assigns them to the rafts. Wait until you are called, \
sit down before you slide, and hold your arms crossed over the jacket. Whoever sees a fire presses the nearest red \
button and warns the people around. Smoking is forbidden on all decks but the stern.""",
    """\
The harbour café. The café stands at the end of the quay, next to the waiting room, and opens half an hour before the \
first ferry. It sells soup, bread with smoked fish, cake, tea and coffee; hot food is served from eleven until three. \
Whoever shows a ticket of the same day pays one crown less for a hot drink. The waiting room is heated from October \
to April and has lockers for luggage, which cost 1 crown for each day or part of one; suitcases may stay for three \
days at most. Lost things are kept at the counter of the café for four weeks and then go to the town hall. A board \
beside the door shows the departures, the height of the tide and the wind. In summer there is music on the terrace on \
Friday evenings, and the last ferry waits until the final song has ended, but never longer than fifteen minutes.""",
)

WORKSHOP = (
    """\
What the repair workshop does. Every Saturday between ten and four volunteers help to mend what you bring: lamps, \
radios, toasters, clothes, toys, small furniture and bicycles. Gas devices, microwave ovens and things heavier than \
twenty kilograms are not taken. The help is free of charge; you pay for spare parts, and a tin at the door takes \
donations. You stay with your thing while it is mended and lend a hand where you can: the workshop wants to pass on \
skills, not only to fix. Draw a number at the entrance and write on the card what is broken and when it happened. One \
person may bring two things at a time. Whoever comes after three o'clock may have to return the week after. About \
seven of ten things leave the workshop in working order; for the others we say where to recycle them.""",
    """\
Safety. Before a device is opened it is unplugged and stands still for five minutes. Devices with a mains plug are \
checked on the test bench before and after the repair; without the green sticker nothing leaves the house. Wear the \
glasses when you drill, grind or cut wire, and tie long hair back. The soldering irons stand in their holders when \
they are not in your hand, and the fan above the bench is on as long as somebody solders. Batteries that are swollen \
or hot go into the sand bucket in the yard at once; do not pierce or press them. The first-aid box hangs beside the \
sink, the fire blanket next to the door. The saw and the lathe may be used only by people whose name is on the list \
at the wall. Children under ten stay with an adult at the front tables.""",
    """\
Mending a flat bicycle tube. Turn the bicycle upside down on the mat and take out the wheel: open the brake, loosen \
the nuts or the lever, and lift the chain from the sprocket. Let the air out, press the tyre off the rim with two \
levers, and pull out the tube. Pump it up and hold it under water; the bubbles show the hole. Mark it with chalk. Dry \
the place, roughen it with the sandpaper, and spread a thin layer of rubber cement. Wait five minutes until it is no \
longer shiny, then press the patch on it for one minute. Feel along the inside of the tyre for glass or thorns before \
you put the tube back. Begin to mount the tyre opposite the valve and end at the valve, without levers. Pump to the \
pressure that is printed on the tyre, put in the wheel, and close the brake.""",
    """\
Spare parts and tools. Screws, wire, thread and buttons are free in small amounts. Patches cost 1 crown, tubes 6, \
brake cables 4, and plugs with a cord 5; other parts are ordered at cost price and arrive within ten days. Tools stay \
in the workshop, but the drill, the sewing machine and the large ladder can be borrowed from Monday to Friday for a \
deposit of 40 crowns. The deposit is paid back when the tool returns clean and whole. A loan ends on Friday at six; \
each further day costs 3 crowns. Write the loan into the green book with your address. Broken tools are no drama: say \
so at once, so that the next person is not hurt. Old devices that nobody fetches within sixty days are taken apart, \
and their parts are sorted into the drawers along the wall.""",
    """\
How to join. Everybody who likes to mend things can become a volunteer; a certificate is not needed. New volunteers \
come three times as guests and work at the side of somebody with experience, then they choose a bench: electric \
devices, textiles, wood or bicycles. The meeting of the volunteers is on the first Tuesday of the month at seven in \
the evening in the back room, with bread and soup for all. A shift lasts three hours, and nobody is expected to take \
more than two in a month. Whoever can't come tells the person who makes the plan until Thursday noon. Twice a year \
there is a course: in March about soldering and measuring, in October about sewing machines. The courses are free for \
volunteers and cost 15 crowns for guests. Keys are kept in the box beside the back door.""",
)

TOPICS = {"dairy": DAIRY, "ferry": FERRY, "workshop": WORKSHOP}

GROUNDED = (
    Asked("How long do large wheels of cheese stay in the brine?", "dairy", (2, 0, 3)),
    Asked("When does the last ferry leave in winter?", "ferry", (0, 1, 2)),
    Asked("Which tools can I borrow from the workshop, and for what deposit?", "workshop", (3, 0, 1)),
    Asked("How warm and how humid is the cellar in which the cheese ripens?", "dairy", (3, 2, 1, 4)),
    Asked("How do I mend a flat bicycle tube? Explain the steps.", "workshop", (2, 3, 0)),
    Asked("Explain the steps of making cheese, from the milk to the press.", "dairy", (0, 1, 2, 3)),
    Asked("What do I have to do when I take my car on the ferry?", "ferry", (2, 1, 0)),
    Asked("What should passengers do in an emergency? Explain the steps.", "ferry", (3, 2, 0)),
)
"""Half of them are answered in a sentence, half at length."""

CHATS = (
    (Asked("What does a small wheel cost?", "dairy", (4, 1, 0, 2, 3)), "And what does a large one cost?"),
    (Asked("Where are lost things kept?", "ferry", (4, 3, 1, 2, 0)), "How long are they kept there?"),
    (Asked("When do the volunteers meet?", "workshop", (4, 1, 3, 0, 2)), "What do they eat at the meeting?"),
)
"""Two turns on the same five passages."""


def passages(topic: str, order: tuple[int, ...]) -> tuple[Passage, ...]:
    """Return passages of a topic in the order of their numbers, as a search returns them."""
    texts = TOPICS[topic]
    return tuple(
        Passage(f"{topic}-{number}", f"{topic}.md", texts[number], None, "", 0, len(texts[number]), 1.0 / (rank + 1))
        for rank, number in enumerate(order)
    )


# ---------------------------------------------------------------- open

OPEN = (
    "A lighthouse stands on a small island. In autumn the storms come from the west, and ships look for shelter in the "
    "bay behind the island. Write a long story about one such evening.",
    "What is the difference between weather and climate?",
    "How do I keep tomatoes healthy on a balcony?",
    "Why do the leaves of trees turn yellow in autumn?",
    "Name five exercises for a stiff back and say how each is done.",
    "Write an email to my colleagues: the meeting moves from Tuesday to Thursday, and the room is a new one.",
)
"""Free chat: stories, explanations and lists."""
