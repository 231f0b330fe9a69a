"""A text on which models are compared: ordinary prose on several subjects and a chat, written for this bench."""

from __future__ import annotations

__all__ = ["TEXT"]

TEXT = """\
The bakery on Mill Street opens at six, but the work begins at two in the morning. Helen unlocks the back door, turns \
on the lamps over the long table, and weighs the flour before she takes off her coat. The dough for the dark bread has \
rested since the evening. It smells slightly sour, like apples that have lain in the cellar for too long, and when she \
presses a finger into it the hollow fills again only slowly. She has done this for nineteen years and still does not \
trust the clock alone. On a damp night the dough is ready half an hour sooner; in a dry winter she adds a cup of water \
to every batch. Her nephew wanted to put all of this into a table. He measured the temperature of the room and the \
weight of each loaf for a month, drew a curve, and found that his aunt had been right on all but two days. On those \
two she had been thinking about something else.

Rivers do not run straight, even where the ground is flat. Water on the outside of a bend moves faster than on the \
inside, so it takes sand and clay from the outer bank and leaves it on the inner one, where the current is slack. Each \
bend therefore grows, moves slowly down the valley, and becomes rounder, until the two ends of the loop almost touch. \
In the next great flood the river breaks through the narrow neck and leaves the old loop behind as a lake in the form \
of a horseshoe. Over some centuries the lake fills with reeds and mud. From an aircraft one can see dozens of such \
scars beside a large river, one beside the other, like the rings of a tree. People who straightened rivers to win \
farmland learned that a short river is also a fast one. It dug itself deeper, the wells beside it ran dry, and the \
towns further down were flooded more often than before. Today some of these rivers are given their bends back, which \
costs far more than it did to take them away.

When the company moved to the new building, nobody had asked the people at the front desk what they needed. The desk \
was made of pale stone, very long, and so high that visitors in a wheelchair could see only the ceiling behind it. \
There was no drawer for keys and no shelf for parcels. In the first week Marcus put the parcels on the floor, in the \
second he brought a folding table from home, and in the third the director nearly fell over it while she was showing \
the building to a customer. She asked whose table it was. Marcus told her, and he told her about the keys as well. To \
her credit she did not send a form. She sat at the desk herself for one morning, from eight until noon, answered the \
telephone, gave out badges, and signed for eleven parcels. The carpenter came on the following Monday. The pale stone \
is still there, but a part of it is now as low as a kitchen table, and below it are forty small drawers with numbers.

A loan is repaid in equal monthly amounts more often than in any other way. At the beginning most of each payment is \
interest, because the debt is still large, and only a small part reduces what is owed. Toward the end it is the other \
way round. Suppose somebody borrows 12,000 dollars at six percent a year for five years. The monthly payment is about \
232 dollars. In the first month the interest is 60 dollars, so 172 dollars go toward the debt itself. After four years \
the debt has fallen to about 2,700 dollars, the interest of a month is less than 14 dollars, and nearly the whole \
payment reduces the loan. For that reason an extra payment in the first year saves much more than the same payment in \
the last. Before signing, it is worth asking three questions: whether early repayment is allowed, what it costs, and \
whether the rate can change. The answers are usually on the third page, in smaller letters than the rest.

Bees find their way home by several means at once. They remember the direction of the sun and correct it for the time \
of day, even when clouds hide it, because the light of the sky is ordered in a pattern that their eyes can see and \
ours cannot. Close to the hive they go by landmarks: a row of poplars, a red roof, the corner of a fence. If one moves \
the hive by two metres while the bees are out, they gather in the air at the old place and search there for a long \
time, although the entrance is in plain sight. Beekeepers say that a hive may be moved by three feet or by three \
miles, and by nothing in between. A forager that has found a rich field tells the others by walking in a figure of \
eight on the comb. The angle of the middle line gives the direction, and the length of the walk tells how far it is. \
The dance was long thought to be a fable. It took years of patient observation, with numbered bees and dishes of sugar \
water, before most people believed it.

To change a tap washer you need a wrench, a screwdriver, a new washer of the right size, and about half an hour. First \
close the valve under the sink and open the tap until no more water comes. Put the plug into the drain, so that no \
screw can fall into it. Take off the cap with the coloured mark; below it sits a screw that holds the handle. Remove \
the handle, hold the spout with one hand so that it does not turn, and loosen the large nut with the wrench. Now the \
spindle can be lifted out. The washer is the black ring at its lower end. If it is hard or has a groove, it is the \
cause of the dripping. Clean the seat in the tap with a cloth before you put in the new ring, because a single grain \
of sand will ruin it within weeks. Put everything together in the reverse order, and do not tighten the nut with all \
your strength. Open the valve slowly, and look for drops around the spindle before you put the tools away.

The old theatre had been closed for eleven winters when the choir asked for the key. The mayor warned them about the \
roof, and the fire brigade about the curtains. Nobody had thought of the pigeons. There were some two hundred of them, \
and they had come to regard the upper gallery as their property. Ruth, who sang alto and had never been afraid of \
anything with feathers, went up alone with a broom and a lantern. She came down after ten minutes without the broom. \
The concert took place all the same, on a Saturday in May, with coats on and the doors open. During the quiet passage \
in the second part, when the sopranos hold a single note over a silence of the strings, one pigeon answered from the \
dark above the chandelier. It was, everybody agreed later, exactly a third too low. The newspaper praised the courage \
of the arrangement.

Most people sleep badly in a strange bed, and for a good reason. In the first night at a new place one half of the \
brain sleeps less deeply than the other and reacts to sounds that would not wake it at home. Ducks at the edge of a \
flock do the same thing with one eye open. The effect is gone in the second night, which is why a single night in a \
laboratory says little about a patient's sleep. Those who travel often can help themselves with small habits: the same \
pillow, the same half hour of reading, a room that is cool and dark. Alcohol shortens the time until one falls asleep \
but cuts the second half of the night to pieces. Coffee in the afternoon can still be measured in the blood at \
midnight. None of this is new, and all of it is easier to know than to do.

User: I want to grow herbs on my balcony, but it faces north. Is there any point in trying?
Assistant: Yes, if you choose plants that are content with little sun. Mint, parsley, chives and lemon balm grow well \
in bright shade. Basil, thyme and rosemary need at least five hours of sun a day and would be thin and pale.
User: How large should the pots be?
Assistant: For chives and parsley a pot of about fifteen centimetres is enough. Mint spreads quickly, so give it a pot \
of its own, at least twenty centimetres wide. Each pot needs a hole in the bottom, so that water can run off.
User: And how often do I have to water them?
Assistant: On a northern balcony the soil dries slowly. Put a finger into it: if the first two centimetres are dry, \
water the pot until some runs out below. In summer that may be every second day, in cool weather once a week.
User: Last year my parsley turned yellow after a month. What did I do wrong?
Assistant: Most likely it stood in water, or it had used up its soil. Parsley has a long root and needs a deep pot. \
Let the soil dry a little between two waterings, and give it some fertilizer for vegetables every four weeks.
User: Thanks. Can I leave them outside in winter?
Assistant: Chives, mint and lemon balm die back and return in spring, even after hard frost, if the pot stands on \
wood or cork. Parsley survives mild winters and can be picked until the first snow. Bring the pots close to the wall, \
and water them a little on days without frost.
"""
"""About 1,500 words, in no data set: no model has read it in training."""
