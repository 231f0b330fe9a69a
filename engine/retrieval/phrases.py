"""The phrases by which a typed text is told: small talk, words about the chat, writing tasks, counting questions."""

from __future__ import annotations

import re

__all__ = [
    "ABOUT_APP",
    "ABOUT_CHAT",
    "ASSISTANT",
    "BY_ITSELF",
    "GIVEN_COLON",
    "GIVEN_QUOTE",
    "GIVEN_TEXT",
    "REFERS_TO_CHAT",
    "REWORK",
    "REWORK_TOO",
    "TALK",
    "TALK_CLAUSE",
    "TALK_TOO",
    "TALK_WHOLE",
    "WISHED_TEXT",
    "WRITE",
    "YOU",
]

TALK = frozenset(
    "hi hello hey heya hiya howdy greetings yo hola hallo moin servus bonjour bonsoir salut coucou morning afternoon "
    "evening goodnight ciao bye goodbye farewell cya tschüss adiós adios hasta revoir bientôt wiedersehen chao thanks "
    "thank thankyou thx ty cheers appreciated appreciate danke dank dankeschön merci gracias bitte guten gute buenos "
    "buenas buen ok okay k great cool nice perfect good fine alright sure yes yeah yep yup no nope wow lol haha hehe "
    "hmm huh oh ah aha well right exactly absolutely interesting awesome excellent amazing wonderful fantastic "
    "brilliant super sorry oops ja nein genau klar prima toll oui non d'accord sí vale claro see understood got sense "
    "helped helpful useful funny welcome congratulations bored tired happy sad hungry lonely test testing ping help "
    "hilfe aide ayuda that's cute sweet impressive agree later joke jokes witz blague chiste worries oopsie ups "
    "entschuldigung entschuldige sorry désolé désolée pardon perdón typo whoops genial parfait perfekt perfecto "
    "perfecta super nickel wunderbar ausgezeichnet hilfreich geholfen utile aidé útil ayudado excelente génial "
    "estupendo formidable verstanden compris entendido alles feierabend brill lovely neat thats".split()
)
TALK_TOO = frozenset(
    "there again all everyone friend my assistant bot to you a very day days night for your the that this it "
    "everything helping explaining explanation answer answers info information time so much many lot bunch million me "
    "i is was i'm am it's and of course please true makes know hear meet sounds looks job work one done problem never "
    "mind bad not really now nothing else today tomorrow soon around next week have take care tell another some "
    "something more like feel feeling we just here back get understand think too quite pretty kind what how're tag "
    "abend morgen nacht días dias tardes noches schön sehr dir ihnen vielen besten tausend lieben bis bald dann auf "
    "beaucoup bien à demain journée muchas mil de rien luego pronto mañana buena au raconte erzähl mir einen une un "
    "cuéntame nos vemos mate mistake made für deine ihre pour ton votre por tu su i'd pressed hit enter send sent "
    "clicked typed button key window tab accident accidentally by cat keyboard early ignore disregard message meant "
    "someone folks team guys dear pal buddy finally found looking needed wanted needs wow saved day ahead off going "
    "go call calling first second we'll i'll speak see you'll keep up way easy clear always lots ton big huge hug "
    "love bonne bon nuit soirée après-midi week-end fin das ist war hat wirklich echt ganz genau prima mich uns etwas "
    "gesucht brauchte gefällt hilft freut schnelle hilfe antwort antworten erklärung ich es c'est était très tout "
    "vraiment aide m'as m'a tu vous le la ce que je cherchais fait clair sympa gentil ça marche réponse réponses "
    "explication ayuda respuesta explicación muy justo lo buscaba necesitaba está gran eso es todo hoy heute für "
    "zusammen morgen wochenende woche ma week-end semaine année allemaal todos tous alle miteinander".split()
)
ASSISTANT = frozenset(
    "who what's how how's where when which why can could do does did are were has will would an or in on with ever "
    "even any also actually name called age old purpose created built developed programmed trained designed owns runs "
    "human robot chatbot ai program computer machine person real alive sentient conscious chatgpt gpt claude gemini "
    "siri alexa llama llm model language languages offline online local locally source free married single male "
    "female man woman smart intelligent stupid clever listening connected internet working running speak english "
    "german french spanish italian chinese japanese russian dream sleep lie sing dance love hate born live from come "
    "about introduce feelings emotions friends memory remember store save data chats private capable able abilities "
    "capabilities features functions limits limitations at best ready busy doing been going version gender birthday "
    "hobbies favourite favorite colour color company wer bist hat gemacht wie geht's geht es heisst kannst alt ein "
    "mensch roboter sprichst deutsch qui comment va t'appelles que faire humain quién quien cómo como qué hacer "
    "hablas español llamas should call trust better than genius star lifesaver connection wifi wi-fi web cloud server "
    "servers network laptop device phone keep kept upload share collect use used using access need needed require "
    "privacy confidential secret safe secure account subscription cost money pay format formats type types kind kinds "
    "file files document documents pdf pdfs docx word excel powerpoint scans scanned images pictures photos "
    "handwriting audio handle process open read support supported understand big large conversations conversation "
    "messages chats history type words updates oder programm maschine ki mit dem verbunden ohne brauchst internet "
    "internetverbindung verbindung speicherst meine daten sprachen sprechen welche woher kommst wohnst heißt lebst "
    "darfst weißt lesen dateien formate dateiformate öffnen funktionierst für hilfst können müssen zum arbeiten "
    "kennst robot humaine ordinateur connexion langues parles peux-tu sais-tu es-tu as-tu besoin d'une d'un "
    "fonctionnes hors ligne données gardes mes lire fichiers formats viens d'où où habites necesitas conexión guardas "
    "mis datos idiomas archivos leer dónde vives funcionas sin französisch spanisch italienisch englisch chinesisch "
    "japanisch allemand anglais français espagnol inglés alemán francés español máquina ou o puedo".split()
)
YOU = frozenset(
    "you you're your yourself du dich dir tu te vous eres estás estas tal ça puedes sabes peux-tu es-tu as-tu sais-tu "
    "hola bist hablas necesitas guardas sprichst parles-tu".split()
)
TALK_WHOLE = re.compile(
    r"(?i)(?:tell|give) me (?:a|another|one more) (?:\w+ )?(?:joke|fact)(?: about [\w ]{1,30})?|what(?:'s| is) up"
    r"|how(?:'s| is) it going|wie geht(?:'s| es dir)|how does (?:this|it|hola|this (?:app|program|tool|assistant)) "
    r"work|(?:what|who) is (?:hola|this (?:app|program))|what (?:kind of questions |questions )?(?:can|should|could) "
    r"i (?:ask|do)(?: here| you| with you)?|(?:which|what) [\w ]{2,14} do you support|(?:can|do) you (?:read|open"
    r"|support) (?:\w+ ){0,2}(?:files|documents|pdfs|images)|(?:can|may) i ask (?:you )?(?:something|a question)"
    r"|(?:is|are) my (?:data|documents|files|chats?|questions) (?:private|safe|secure|stored|saved|shared)(?: here)?"
    r"|my name is [\w-]+(?: [\w-]+)?|i'm \w+, nice to meet you|call me [\w-]+|what(?:'s| is) your \w+(?: \w+)?|do you "
    r"(?:like|love) \w+|qué tal|(?:can|do) you (?:use|access|need|browse) (?:the |an )?(?:internet|web)(?: access| "
    r"connection)?|(?:qui )?es-tu|ça va|(?:do|will) you (?:store|save|keep|share|collect|send|upload) (?:my|our|any) "
    r"\w+|let's (?:chat|talk|play).*|qui êtes-vous|have a (?:nice|good|great|lovely) \w+|happy \w+|merry christmas"
    r"|comment (?:vas-tu|allez-vous)|que (?:peux-tu|pouvez-vous) faire|(?:こんにちは|こんばんは|おはよう|ありがとう"
    r"|どうも|さようなら|はじめまして|すごい|なるほど|了解|わかりました|はい|いいえ|元気|お元気|お疲れ様|助かりました"
    r"|またね|よろしく)(?:ございま(?:す|した)|です[かね]?|お願いします)?|あなた(?:は(?:誰|何)|の名前は).*"
    r"|何ができますか|(?:你|您|大家)好[吗啊呀]?|谢谢.{0,6}|多谢|非常感谢|[早晚]上好|早安|晚安|再见|拜拜|嗨|好的?"
    r"|不客气|没关系|明白了?|知道了|太好了|[你您](?:是谁|叫什么(?:名字)?|[能会](?:帮我)?做(?:些)?什么|是(?:机器人|人"
    r"|ai)吗)"
)
TALK_CLAUSE = re.compile(
    r"(?i)(?:(?:many |ok(?:ay)? |well )?(?:thanks?(?: you)?|thx|cheers)(?: so much| very much| a lot| a million| "
    r"again| (?:\w+ )?everyone)*,? for [^,;?]{2,80}|(?:(?:vielen|herzlichen|besten|tausend) )?dank(?:e)?(?: schön| "
    r"sehr| dir| ihnen| euch| vielmals)*,? (?:für|dass) [^?]{2,80}|(?:un grand |mille )?merci(?: beaucoup| bien| "
    r"infiniment| encore)*,? (?:pour|de|d'|à) ?[^,;?]{2,80}|(?:muchas |mil |muchísimas )?gracias,? (?:por|a) "
    r"[^,;?]{2,80}|(?:that|this|it|you|which)(?:'s| is| was| has| have|'ve)?(?: been| really| very| just| so| exactly"
    r"| such| all| quite| truly)* (?:an? )?(?:helpful|great|perfect|useful|kind|nice|amazing|awesome|saved|helped"
    r"|helps|cleared|lifesaver|what i (?:was (?:looking|hoping) for|needed|wanted|meant))\b[^,;?]{0,40}|i(?:'m| "
    r"am)(?: really| so| very)* (?:grateful|impressed|glad|happy|new here|back|done|leaving|tired|bored|off"
    r"|here)\b[^,;?]{0,30}|(?:that|this|it)(?:'s| is| was) (?:really |very |so |quite )*(?:quick|fast|easy|funny"
    r"|smart|clever|close|weird|fun|enough|good|fine|interesting|impressive|all)\b(?: for (?:now|today|me))?|i(?:'ll| "
    r"will| did(?:n't| not)| didn't|'d)(?: \w+)? (?:try|know|do|check|remember|like|keep|think about|have a look at) "
    r"(?:that|it|this)\b.{0,20}|(?:and )?(?:you too|same to you|likewise|dir auch|gleichfalls|ebenso|(?:toi|vous) "
    r"aussi|igualmente|a ti|de nada)|(?:my|the) (?:\w+ )?(?:cat|kid|dog|son|daughter|keyboard)\b.{0,30}\bkeyboard|i "
    r"(?:really |do |very much )*(?:appreciate|like|love) (?:it|that|this|you\w*|your \w+)\b[^,;?]{0,30}|(?:(?:happy"
    r"|merry|have a|have|enjoy|wish(?:ing)? you|a|all the|and a|good|best|to)\b ?){1,3}(?:\w+ ){0,3}?(?:new year"
    r"|christmas|easter|birthday|holidays?|weekend|evening|night|morning|afternoon|day|week|best|luck|wishes"
    r"|anniversary|monday|friday|trip|vacation|fun|thanksgiving|halloween|one|rest of (?:the|your) \w+)(?: to "
    r"you)?(?: too)?(?: and .{2,30})?|(?:(?:ein(?:en|e)?|und|dir|ihnen|euch|einen) )*(?:schöne[ns]?|gute[ns]?"
    r"|frohe[ns]?|angenehme[ns]?|alles gute|viel|liebe|fröhliche) (?:\w+ ){0,2}?(?:tag|abend|nacht|morgen|neues(?: "
    r"jahr)?|jahr|weihnachten|ostern|wochenende|feierabend|woche|mittag|rutsch|urlaub|ferien|geburtstag|spaß|erfolg"
    r"|glück|grüße)(?: (?:noch|dir|ihnen|ins neue jahr|zum geburtstag))*|alles gute(?: .{2,30})?|(?:bon(?:ne)?s?"
    r"|joyeu(?:x|ses?)|passez une|excellente?) (?:\w+ ){0,2}?(?:journée|soirée|nuit|année|week-end|weekend|après-midi"
    r"|anniversaire|noël|fêtes|pâques|vacances|chance|continuation|matinée|fin de \w+)(?: à (?:toi|vous|tous))?"
    r"|(?:feliz|felices|buen[ao]?s?|próspero|que (?:tengas?|pases?) (?:un |una )?\w*) (?:\w+ ){0,2}?(?:año(?: nuevo)?"
    r"|navidad|cumpleaños|día|tarde|noche|semana|fiestas|viaje|suerte|fin de semana)|(?:i'm|i am|my name is|this is"
    r"|ich bin(?: der| die)?|ich heiße|je m'appelle|je suis|me llamo|soy|mi nombre es) (?-i:[A-ZÄÖÜÉ]\w+)(?: "
    r"(?-i:[A-Z]\w+))?|(?:das|es) (?:war|ist|hat) (?:\w+ )*(?:gesucht|gebraucht|hilfreich|geholfen|wissen wollte)(?: "
    r"habe)?|c'(?:est|était) (?:\w+ )*(?:parfait|utile|gentil|clair|ce (?:que|qu'|dont) \w+.{0,30})|(?:pleased|nice"
    r"|good|great|lovely) (?:to (?:meet|see|have|know) you|meeting you|talking to you|chatting with you).{0,20}"
    r"|(?:freut mich|enchantée?|mucho gusto|encantad[oa]).{0,20}|(?:sorry|oops|ups|pardon|désolée?|perdón"
    r"|entschuldigung),? (?:\w+ )*(?:wrong|typo|mistake|accident|too early|too soon|by mistake|vertippt|verklickt"
    r"|falsche[sn]? \w+|trompée?|erreur|equivoqué|error)\b[^,;?]{0,20}|(?:明けまして|あけまして)?おめでとう.{0,8}"
    r"|.{0,6}(?:良い|よい)(?:お?年|一日|週末|夜)を.{0,4}|メリークリスマス|おやすみ(?:なさい)?|(?:とても|大変|本当に"
    r"|すごく)?(?:助かり|役に立ち|わかり|勉強になり)ました.{0,2}|(?:どうも|本当に)?ありがとう.{0,8}|(?:新年|生日|圣诞"
    r"|节日|中秋|周末|春节|国庆)(?:节)?(?:快乐|愉快).{0,3}|祝[你您].{1,10}|(?:太|真|非常|很)(?:好|棒|感谢|谢谢|有用"
    r"|有帮助).{0,3}|(?:非常|十分|太)?(?:感谢|谢谢).{0,12}|(?:这|你的回答)?(?:帮了|对我).{0,6}(?:忙|帮助).{0,2}"
    r"|辛苦了|很?高兴(?:认识|见到)[你您]|はじめまして.{0,12}|(?:how(?:'s| is) (?:it going|your day)|how are (?:you"
    r"|things))\b.{0,15}|我(?:是|叫)\w{1,4})"
)
"""A clause of small talk that has other words than greetings: thanks for something, praise, wishes, a name."""
ABOUT_APP = re.compile(
    r"(?i)(?:is|are|does|do|will|can|where|how|what|who|which|did|should|am)\b.{0,40}\b(?:leaves? (?:this|my) "
    r"(?:computer|machine|laptop|device|pc)|(?:sent|uploaded|transmitted) (?:to|over|anywhere|somewhere"
    r"|online)\b.{0,20}|(?:stays?|remains?|kept|stored|saved|processed|run|running|runs|work|works) (?:on (?:this|my) "
    r"(?:computer|machine|laptop|device|pc)|locally|offline|without (?:an? |the )?(?:internet|wifi|network"
    r"|connection).{0,15})|(?:see|read|access) (?:what i (?:type|write)|my (?:chats?|messages|questions"
    r"|conversations?)))|(?:where|how) (?:is|are) (?:my|our) (?:\w+ )?(?:data|files|documents|chats?|questions"
    r"|conversations?|messages) (?:stored|saved|kept|processed|used)|(?:what|which) (?:\w+ )?(?:(?:file|document) "
    r")?(?:formats?|(?:file|document) types|kinds? of (?:files|documents)) (?:can (?:i (?:use|add|upload|import|open)"
    r"|you \w+)|do you \w+|are supported|does (?:this|it|hola) \w+)(?: here)?|does (?:hola|this app|the app|this "
    r"program|this) (?:need|use|require|work|run|cost|store|save|collect|send|support)\b(?: (?:an?|the|any|my"
    r"|internet|connection|data|wifi|offline|online|locally|money|without|access|to|files?|pdfs?|on|this|cloud))*"
    r"|(?:funktionierst|arbeitest|läufst) du .{0,20}(?:offline|internet\w*|lokal)|(?:werden|sind|bleiben) meine "
    r"(?:daten|dokumente|dateien|fragen|chats) .{0,40}(?:gespeichert|gesendet|sicher|übertragen|hochgeladen"
    r"|weitergegeben|privat|rechner|computer)|(?:mes|tes) (?:données|documents|fichiers|questions) (?:sont"
    r"|restent)(?:-(?:ils|elles))? .{2,30}|(?:mis|los) (?:datos|documentos|archivos) (?:están|son|se quedan|se "
    r"guardan) .{2,30}|¿?(?:están|son) (?:seguros|privados) mis (?:datos|documentos|archivos)|.{0,12}(?:データ"
    r"|ファイル).{0,6}(?:安全|送信され|保存され|外部に).{0,8}|(?:オフライン|インターネットなし)で.{0,6}(?:使え|動"
    r"|働).{0,5}|我的(?:数据|文件|资料).{0,8}(?:安全|上传|保存|泄露).{0,5}|.{0,4}(?:需要|要)(?:联网|上网|网络).{0,5}"
    r"|.{0,4}(?:离线|不联网).{0,8}"
)
"""A question about this app: what it keeps, needs and reads."""
REWORK = frozenset(
    "repeat rephrase reword paraphrase shorten shorter longer simpler simplify simply briefer briefly brief again "
    "translate summarise summarize rewrite restate clearer differently bullet bullets sentence sentences table pardon "
    "concise formal informal english german french spanish italian portuguese chinese japanese wiederhole kürzer "
    "übersetze einfacher nochmal englisch deutsch französisch anglais allemand inglés alemán répète répétez reformule "
    "traduis repite resume traduce simple version short wiederholen répéter repetirlo corto court tradúcelo kurz "
    "kürzen knapper ausführlicher umformulieren formuliere formulieren zusammenfassen erklär erkläre erklären anders "
    "vereinfache stichpunkten stichpunkte tabelle satz sätzen autrement simplifie résume résumer reformuler phrases "
    "raccourcis redis dis-le explique tableau anglais español explícalo explícamelo dilo resumen resúmelo tabla frase "
    "frases palabras brief elaborate condense trim tighten boil shrink casual polite friendlier detailed long shorten "
    "expand french text plainer clearer portugiesisch spanisch italienisch französisch espagnol italien".split()
)
REWORK_TOO = frozenset(
    "it that this them your last previous the answer reply response message above what you said just wrote please can "
    "could would me in into to as a an one two three four five few only word words line lines paragraph paragraphs "
    "point points list json markdown format more less much bit little very even and but now ok so for with say put "
    "make give write explain turn convert show tell way different plain easy terms language like i'm child use once "
    "time try most important long i using style tone sound of up sum auf s'il te vous plaît das es bitte noch einmal "
    "mal sag ins deine letzte antwort englische deutsche ça stp ta dernière réponse en une phrase eso por favor más "
    "tu última respuesta al too fass dich französische spanische italienische peux puedes own kannst du plus sagen "
    "sage könntest würdest einem ein zwei drei fünf worten wörtern eigenen mit als liste etwas viel einfachen auch "
    "den punkte punkten das pourrais tu vous pourriez pouvez me le la de manière façon sous forme deux trois mots "
    "dire avec d'autres moi encore fois stp svp tes vos puntos dos tres con otras forma manera sencilla simples fácil "
    "breve podrías puede decirlo en un como vez otra bit down half size there here only just using same thing geben "
    "antwort email mail tweet post text into by parts".split()
)
BY_ITSELF = frozenset("it that this them answer reply response again shorter simpler pardon kürzer nochmal".split())
_TOLD = r"(?:said|told|wrote|written|explained|answered|mentioned|replied|listed|described|gave|given)"
REFERS_TO_CHAT = re.compile(
    rf"(?i)\b(?:what|everything|all(?: that)?|the (?:\w+ )?(?:thing|things|list|steps|text|points?|part|stuff"
    rf"|table)(?: that)?) (?:have you|did you|you)(?:'ve| have| had)? (?:just |already |only just |previously "
    rf")*{_TOLD}\b|\byou (?:just|already) {_TOLD}\b|\b(?:as|like) you (?:just )?{_TOLD}\b|\b(?:the|that) (?:last"
    rf"|previous|above|preceding|earlier) "
    r"(?:answers?|reply|response|explanation|summary|message)\b|\byour (?:(?:very |own )?(?:last|first|previous"
    r"|second|third|earlier|latest|final|original) (?:\w+ )?)?(?:answers?|repl(?:y|ies)|responses?|explanations?"
    r"|statements?|messages?|(?:last|previous|first|second|third|earlier) (?:points?|paragraph|list))\b|\b(?:all|any"
    r"|each|most|none|which|one|how many) (?:of )?my (?:\w+ )?(?:questions|messages)\b|\bmy (?:\w+ )?(?:questions"
    r"|messages) (?:so far|today|until now|again|in this)\b|\b(?:answer(?:ed)?|answering|repeat|list|show me|recap"
    r"|remember|forgot) (?:all )?(?:of )?my (?:\w+ )?(?:questions?|messages?)\b|^(?:what|which) (?:was|were|is|are) "
    r"my (?:\w+ )?(?:questions?|messages?)\b|^(?:what|which) (?:\w+ )?(?:question|questions|things) (?:did|have) i\b"
    r"|\b(?:we|i)(?:'ve| have)? (?:just |been )?(?:talk(?:ed|ing)|chatt(?:ed|ing)) (?:about )?(?:so far|before"
    r"|earlier|today|just now)\b|^(?:sorry,? |hmm,? |no,? |but |ok,? |well,? )*(?:(?:that|this|it|your? \w+|the "
    r"answer)(?:'s| is| was)? )?(?:still |way |much |a (?:bit|little) |far )*too (?:long|short|complicated|technical"
    r"|detailed|vague|formal|wordy|difficult|hard|brief|verbose|complex|fast)(?: for me)?\b(?=[,.;]|$)|^(?:can|could"
    r"|would) you (?:please )?(?:be|make it|try to be) (?:a (?:bit|little) )?(?:more |less )?(?:brief|briefer|shorter"
    r"|specific|precise|concise|detailed|clearer|polite)\b|^(?:please )?(?:be|keep it|make it|try it) (?:a (?:bit"
    r"|little) )?(?:more |less )?(?:brief|briefer|shorter|short|concise|simple|simpler|clearer)\b|\b(?:was|das,? was) "
    r"du (?:mir |gerade |eben |vorhin |da |zuletzt |schon |soeben )*(?:gesagt|geschrieben|erklärt|erzählt|geantwortet"
    r"|genannt)\b|\b(?:deine|ihre|der|die) ?(?:letzten?|vorige|vorherigen?|obigen?|erste)[nrms]? (?:antwort(?:en)?"
    r"|erklärung|nachricht|aussage)\b|\bdeine[nrms]? (?:antwort(?:en)?|erklärung|aussage)\b|\bmeine[nrms]? (?:\w+ "
    r")?(?:fragen?|nachricht)\b(?! (?:ist|lautet|zu[mr]?|an|nach)\b|[:,])|^(?:das (?:war|ist) )?(?:mir )?(?:viel "
    r"|etwas )?zu (?:lang|kurz|kompliziert|technisch|schwierig|ausführlich)\b|^(?:was|worüber|wovon) (?:haben wir"
    r"|hatten wir|habe ich|hast du) (?:\w+ )*(?:geredet|gesprochen|gesagt|gefragt|geschrieben|geantwortet|gemeint)$"
    r"|\bce qu(?:e|') ?(?:tu|vous) (?:viens|venez|as|avez|m'as|m'avez) .{0,12}(?:dire|dit|écrit|écrire|expliqu|racont"
    r"|répond)|\b(?:ta|votre|tes|vos|la) (?:(?:dernière|précédente|première)s? )?(?:réponse|explication)s?\b(?! (?:à"
    r"|a|de)\b)|\b(?:ma|mes) (?:première |dernière |précédente |autres )*questions?\b(?! (?:est|concerne|porte)\b"
    r"|[:,])|^(?:c'(?:est|était) )?(?:beaucoup |un peu )?trop (?:long|court|compliqué|technique|difficile|détaillé)\b"
    r"|^de quoi (?:avons-nous|a-t-on|on a) parlé\b|\blo que (?:me |te |tú )?(?:acabas|has|dijiste|escribiste"
    r"|explicaste|contaste|respondiste)\b|\b(?:tu|su|la) (?:(?:última|anterior|primera) )?(?:respuesta"
    r"|explicación)(?: anterior)?\b(?! (?:a|de)\b)|\b(?:mis? (?:primera |última |anterior(?:es)? |otras "
    r")*preguntas?)\b(?! es\b|[:,])|^(?:(?:es|eso|fue|eso fue|era) )?(?:demasiado|muy) (?:largo|corto|complicado"
    r"|técnico|difícil)\b|^de qué (?:hemos hablado|hablamos)\b|(?:さっき|先ほど|今|直前|最後|一つ前|前"
    r"|あなた)の?(?:回答|答え|返事|説明|返答)|(?:さっき|先ほど|今)(?:言った|言って|話した|説明した|教えて)"
    r"|私の(?:\w{0,4}の)?質問|(?:長|短|難し)すぎ|^(?:もっと|もう少し)?(?:簡単|簡潔|詳しく|短く|手短"
    r"|わかりやすく)な?(?:に|言葉で)?.{0,6}(?:説明|言|まとめ|要約|書)|^(?:一文|一言|箇条書き|表|リスト|(?:英|日本"
    r"|中国|ドイツ|フランス|スペイン)語)(?:に|で).{0,12}(?:して|まとめて|言って|書いて|説明して|お願い).{0,6}$"
    r"|[你您](?:刚才|刚刚|之前|上面|上次|前面)?(?:的|说的|所说的|讲的|给的)(?:上?一?个?|最后一?个?)(?:回答|回复|答案"
    r"|解释|话)|(?:刚才|刚刚|上一个|之前|上面)的?(?:回答|回复|答案|解释|那句话|问题)|[你您](?:刚才|刚刚|之前"
    r"|上面)(?:说|讲|告诉|提到|回答)|我(?:刚才|刚刚|之前|前面)?(?:的|问的?)(?:第?.{0,3}个?)(?:问题|问了)|^太(?:长|短"
    r"|复杂|难)了?|^(?:请|能|可以)?(?:再)?(?:用(?:一句话|更?简单的话|几句话|自己的话|[英中日法德][语文])|换(?:个"
    r"|一?种)(?:说法|方式)|列成|做成|改成).{0,12}$|我们(?:刚才|之前|都)?(?:聊|谈|讨论)(?:了|过)"
)
"""What points at the answers, the questions and the length of this chat."""
ABOUT_CHAT = re.compile(
    r"(?i)\b(?:my|your) (?:very )?(?:first|last|previous|second|third|earlier|original|latest) (?:question|message"
    r"|request|prompt|answer|reply|response|sentence)|\b(?:our|this|(?:summari[sz]e|recap) the) (?:whole |entire "
    r")?(?:chat|conversation|dialogue)\b(?! (?:between|with|in))|^(?:so )?what (?:did|have|was|were) (?:i|we|you) "
    r"(?:just |first |last |originally |previously |earlier |already )*(?:ask|asked|asking|talk(?:ed|ing)? about"
    r"|discuss(?:ed|ing)?|say|said|tell(?:ing)? (?:me|you)|answer(?:ed)?|mean)\b(?!.*\b(?:meeting|minutes|call|letter"
    r"|email|contract|report)\b)|\bhow many (?:questions|messages) (?:have|did) (?:i|we)\b|^(?:which|what) "
    r"(?:questions?|topics?) (?:have|did) (?:i|we|you) |^(?:have|did) i (?:already )?(?:ask|tell you)|\b(?:list|show"
    r"|repeat|give)(?: me| all)* (?:my|our) (?:previous |earlier |last )?(?:questions|messages)\b|^did you (?:already "
    r"|just )?(?:say|mention|answer|tell me)|^(?:remind me|do you remember) (?:what|my|our)|^what(?:'s| is) my name$"
    r"|^where were we|^who am i$|^where did you (?:get|find|read) (?:that|this|it)|^what(?: are|'s| is) your sources?"
    r"|\byour (?:own )?(?:answer|reply|response)s?\b|\b(?:thing|question) (?:i|you) (?:asked|said)\b|^(?:now |and "
    r"|but )*(?:as|in) an? (?:list|table)|^(?:you|that|this|it) (?:didn't|did not|doesn't) answer|^you misunderstood"
    r"|^(?:but )?you (?:just )?said |^(?:no,? )?(?:that|this|you|it)(?:'s| is|'re| are| was) (?:wrong|incorrect|a "
    r"mistake|not (?:right|correct|true|what i))|^are you (?:really |absolutely )?(?:sure|certain)|^is (?:that|this) "
    r"(?:really )?(?:true|correct|right)$|^what do you mean|^i (?:don't|didn't|do not) (?:understand|get it)|^(?:why "
    r"did you say|how do you know) that$|^explain (?:it|that|this) (?:to me )?(?:like|as if) |^(?:continue|go on|keep "
    r"going|carry on|start over|another one|one more(?: time)?|what|huh)(?: please)?$|^was habe ich (?:dich |dir "
    r")?(?:\w+ |als erstes )?gefragt|\bunser(?:e|en|em)? (?:gespräch|unterhaltung|chat)\b|\b(?:meine (?:erste|letzte) "
    r"frage|ma (?:première|dernière) question|mi (?:primera|última) pregunta)\b|qu'est-ce que (?:je t'ai|j'ai) "
    r"demandé|\b(?:notre|nuestra) (?:conversation|conversación)\b|qué (?:te )?pregunté|(?:最初|さっき"
    r"|前)に?(?:私[はが])?何を(?:聞き|質問)|もう一度(?:言って|お願い|説明)?|繰り返して|(?:今まで|これまで|この"
    r"|私たち)の?(?:会話|チャット)|(?:もっと)?(?:短く|簡潔に)(?:して|言って|まとめて)|再说一[遍次]|重复一?[遍下]"
    r"|(?:刚才|刚刚|之前|第一个)(?:我)?问(?:了|过)?(?:你)?什么|第一个问题|最初の質問|^(?:英|日本|ドイツ|フランス"
    r"|中国)語[にで](?:翻訳|訳|言)|^请?(?:翻?译)成\w{2,3}$|我们的?(?:对话|聊天)|你的(?:上一个)?回答|^(?:说)?(?:简短"
    r"|简单|短)一?点|你确定吗"
)
_ASKED = r"^(?:(?:please|can you|could you|would you|will you|i (?:want|need) you to|help me(?: to)?|now|ok)[\s,]*)*"
_SOME = r"(?:(?:me|us) )?(?:an?|another|some|a few|one|two|three|four|five|ten|\d+) (?:[\w-]+ ){0,3}?"
_TEXTS = (
    r"(?:poems?|stor(?:y|ies)|songs?|haikus?|limericks?|essays?|letters?|e-?mails?|messages?|tweets?|posts?|captions?"
    r"|slogans?|riddles?|speech|toast|dialogue|invitations?|bio|blog|lyrics|passwords?|(?:names?|titles?) for)"
)
_CODE = (
    rf"{_ASKED}(?:(?:write|create|generate|give|make|show|code|implement|build) (?:me )?)?(?:an? |some |the |my "
    rf")?(?:\w+ ){{0,2}}?(?:(?:python|java|javascript|typescript|c\+\+|c#|rust|go|ruby|php|bash|shell|sql|html|css"
    rf"|excel|latex) (?:\w+ )?(?:function|script|program|code|class|query|snippet|one-liner|regex|macro|formula|page"
    rf"|command)|regex|regular expression|unit test|(?<=write )code)s?\b(?! (?:is|are|does|mentioned)\b)|```"
)
GIVEN_TEXT = re.compile(
    rf"(?is){_CODE}|{_ASKED}(?:implement|code|write) .{{1,80}} in (?:python|java\w*|rust|go|c|c\+\+|ruby|bash|sql)$"
    rf"|{_ASKED}(?:(?:rewrite|rephrase|reword|paraphrase|proofread|correct|fix|translate|spell-?check|übersetze?"
    r"|traduis|corrige)\b[^:\n]{0,60}|(?:improve|edit|polish|shorten|simplify|sum up|summari[sz]e|explain|debug"
    r"|tl;?dr)(?: (?:this|these|the following|my)\b[^:\n]{0,60})?):\s*\S.{2,}"
    r"|^[「『\"'].{1,200}[」』\"'][をは].{0,12}訳|^翻译[:：]|^[把将][\"「'].{1,200}[\"」'](?:翻译|译)成"
)
_QUOTE = r"(?:[\"«「『].{2,400}[\"»」』]|(?<!\w)'.{2,400}'(?!\w))"
GIVEN_QUOTE = re.compile(
    rf"(?is){_ASKED}(?:(?:re\w+|translat\w+|correct|fix|proofread|check|improve|edit|polish|shorten|expand|simplify"
    rf"|make|turn|convert|change|put|say|spell|express|transform|format|sort|conjugate|capitali[sz]e|punctuate"
    rf"|what(?:'s| is) (?:wrong|the (?:grammar|mistake|plural|opposite|past)))\b|übersetz\w*|korrigier\w*"
    rf"|verbesser\w*|formulier\w*|kürze?\w*|vereinfach\w*|mach\w*|tradui\w*|tradu[cz]\w*|corri\w+|reformul\w*"
    rf"|améliore\w*|simplifi\w*|raccourci\w*|reescrib\w*|mejor\w*|escrib\w*|fais|haz|pon|mets|ist|is|est-ce "
    rf"que)\b[^:\"«「]{{0,80}}?[ :]\s*{_QUOTE}.{{0,60}}$|{_ASKED}(?:how|wie|comment|¿?cómo|what|was|que|¿?qué"
    rf"|what's)(?:'s| (?:do|would|can|should|to|is|does|se|sagt|heißt|schreibt|sage|spricht|dit|dit-on|peut-on"
    rf"|übersetzt|traduit-on|écrit-on|significa|signifie|bedeutet|on|dire|traduire|écrire|dice|traduce|escribe|digo"
    rf"|you|we|i|one|man|ich|say|write|spell|translate|pronounce|mean|another word for|the word for|a synonym for|a "
    rf"better word for|rhymes with))+ {_QUOTE} ?(?:(?:in|into|to|auf|ins|en|au|al|mean in|em) [\w ]{{2,20}})?$"
    rf"|{_ASKED}(?:(?:an?|the|another|better|give me|find|suggest|need|what(?:'s| is)|some|more) )*(?:synonyms?"
    rf"|antonyms?|word|rhymes?|opposite) (?:for|of|to|with) {_QUOTE}$|^{_QUOTE} ?(?:(?:in|into|to|auf|en|ins) "
    rf"(?:english|german|french|spanish|italian|latin|portuguese|dutch|japanese|chinese|russian|englisch\w*|deutsch"
    rf"|französisch\w*|spanisch\w*|anglais|allemand|espagnol|inglés|alemán|francés|español)|[をは].{{0,6}}語.{{0,16}}"
    rf"|用?.{{1,3}}[语文]怎么[说写])$"
    r"|^[把将].{0,12}(?:句|段|话|文).{0,12}[:：].{2,}"
)
"""A task on a text that stands there in quotes."""
GIVEN_COLON = re.compile(
    rf"(?is){_ASKED}(?:(?:turn|convert|make|change|put|sort|format|arrange|order|say|express|transform|continue"
    rf"|complete"
    r"|finish|shorten|expand|analy[sz]e|check|classify|extract|reformat|clean up|tidy up|alphabeti[sz]e|translate"
    r"|give)\b(?: [^:\n]{0,40}?)?(?:\b(?:this|these|the following|following|it|alphabetically)\b)[^:\n]{0,60}|(?:find"
    r"|spot|correct|check) [^:\n]{0,30}(?:mistakes?|errors?|typos?|grammar|spelling)[^:\n]{0,30}|(?:übersetz"
    r"|korrigier|verbesser|formulier|kürz|vereinfach|sortier|zusammenfass|wandle|fass)\w*[^:\n]{0,60}|(?:tradui"
    r"|corrig|reformul|améliore|simplifi|raccourci|résum|tradu[cz]|reescrib|mejora|resum|orden|convierte|transform"
    r"|trie)\w*[^:\n]{0,60}|(?:mach|fais|haz|mets|pon|schreib|écris|escribe)\w* [^:\n]{0,50}(?:das|dies\w*"
    r"|folgende\w*|ceci|cette|ce|suivante?|esto|est[ea]|siguiente)\b[^:\n]{0,40}):\s*\S.{2,}|^.{0,16}(?:翻訳|訳|直"
    r"|修正|添削|要約|まとめ|書き換え|言い換え)\w{0,12}[:：]\s*\S.+|^.{0,16}(?:翻译|译成|改写|润色|修改|纠正|总结"
    r"|缩写|改成)\w{0,12}[:：]\s*\S.+"
)
"""A task on a text that a colon introduces."""
_MADE_UP = (
    r"(?:names?|titles?|headlines?|taglines?|mottos?|captions?|hashtags?|slogans?|poems?|haikus?|limericks?|rhymes?"
    r"|riddles?|toasts?|speech|eulogy|puns?|jokes?|songs?|lyrics|stor(?:y|ies)|greetings?|birthday (?:\w+ "
    r")?(?:message|wish(?:es)?|card)|(?:out-of-office|thank-you|love|cover|farewell|get-well) (?:message|note|letter"
    r"|reply|card|e-?mail)|pick-?up lines?|subject lines?|acronyms?|jingles?|usernames?|nicknames?|passwords?|tongue "
    r"twisters?|fairy tales?|bios?|product descriptions?|job ads?|adverts?|excuses?|(?:[\w-]+ )?ideas)"
)
_DE_TEXT = (
    r"(?:\w*gedicht|\w*geschichte|\w*brief|e-?mail|mail|\w*nachricht|slogan|\w*spruch|lied|\w*rede|\w*einladung\w*"
    r"|bewerbung|anschreiben|witz|rätsel|märchen|haiku|limerick|aufsatz|\w*text|motto|\w*karte|namen?|titel|skript"
    r"|programm|\w*funktion|code|regex|\w*abfrage|dialog|werbespruch|liedtext|reim|absage|entschuldigung\w*)"
)
_FR_TEXT = (
    r"(?:poème|histoire|lettre|e-?mail|mail|courriel|message|slogan|chanson|discours|invitation|haïku|conte|devinette"
    r"|blague|texte|dialogue|carte|fonction|script|programme|code|requête|noms?|titres?|mot|idées?|comptine|rédaction"
    r"|regex)s?"
)
_ES_TEXT = (
    r"(?:poema|cuento|historia|carta|correo|e-?mail|mensaje|eslogan|lema|canción|discurso|invitación|haiku|adivinanza"
    r"|chiste|texto|diálogo|función|script|programa|código|consulta|nombre|título|tarjeta|ideas?|redacción|regex)s?"
)
_LANGUAGES = (
    r"(?:html|css|python|javascript|typescript|java|sql|bash|rust|php|ruby|go|c\+\+|c#|latex|vba|code|powershell)"
)
WISHED_TEXT = re.compile(
    rf"(?i){_ASKED}(?:(?:html|css|sql|regex|bash|javascript|excel formula|python) (?:to|that|which) \w+ (?:an?|all"
    rf"|the|two)\b|(?:write|code|create|generate|give me|show me|i need) (?:me )?(?:some |an? |the )*(?:\w+ "
    rf")?{_LANGUAGES} (?:for|that|to|which|code|loop|class|program|with)\b|(?:i need|i want|i(?:'d| would) like|give "
    rf"me|find me|can i (?:get|have)|we need|looking for|what(?:'s| is| would be)(?= an? (?:good|nice|catchy|fun"
    rf"|funny|cool|creative|clever|witty))|think up|think of|help me (?:with|find)|propose|need|make|make up|find"
    rf"|invent) {_SOME}{_MADE_UP}\b (?:for|about|on|to|that|with|from|in)\b|(?:an?|some) (?:[\w-]+ "
    rf"){{1,2}}?{_MADE_UP} (?:for|about) (?:an?|my)\b|(?:kannst|könntest|würdest) du "
    rf".{{0,20}}eine?n?\b.*\b{_DE_TEXT}\b.*(?:schreiben|verfassen|dichten|entwerfen|formulieren|ausdenken|erfinden"
    rf"|machen|erstellen)$|(?:bitte )?(?:ich (?:brauche|hätte gern\w*|möchte)|gib|mach|formulier|erfind|erstell"
    rf"|überleg|denk|schreib|nenn|erzähl|programmier|entwickle|generier)\w* (?:mir |uns |dir |bitte |mal )*(?:eine?n?"
    rf"|ein paar|drei|fünf|zehn) (?:[\w-]+ ){{0,3}}?{_DE_TEXT}\b|(?:(?:peux|pourrais|peux-)-?tu |pouvez-vous )?(?:m'"
    rf"|me |nous )?(?:écri|rédig|compos|invent|imagin|cré|propos|trouv|donn|génèr|racont|il me faut|je voudrais|j'ai "
    rf"besoin d)\w*'?(?:-moi|-nous)?,? ?(?:une?|des|trois|cinq|quelques) (?:[\w-]+ ){{0,2}}?{_FR_TEXT}\b|(?:(?:puedes"
    rf"|podrías) )?(?:escr[ií]b|redact|comp[oó]n|invent|crea|haz|dame|piensa|gener|necesito|quiero|cuéntame"
    rf"|sugi[eé]r)\w* (?:un[ao]?s?|tres|cinco|algunas?) (?:[\w-]+ ){{0,2}}?{_ES_TEXT}\b|.{{0,40}}(?:歌詞?|作文"
    rf"|スピーチ|挨拶文?|招待状|お礼状|キャッチコピー|スローガン|名前|関数|スクリプト|プログラム|正規表現|文章"
    rf"|メッセージ|エッセイ|なぞなぞ|ダジャレ|川柳|短歌|昔話|童話)を.{{0,10}}(?:書|作|考え)|.{{0,24}}(?:写|作|编|创作"
    rf"|起草|生成|想|讲)(?:一|个|首|篇|封|段|几|两|三|五|条|句|出).{{0,30}}(?:诗|故事|信|邮件|文章|歌|作文|代码|函数"
    rf"|脚本|程序|正则|口号|广告语|名字|标题|祝福|笑话|谜语|演讲|对联|文案)|(?:what(?:'s| is)|how much is) "
    rf"(?:\d[\d.,]* ?(?:%|percent|per cent|plus|minus|times|x|divided by|multiplied by|squared|cubed|to the power of)"
    rf"|divided)[\d., of]*$|(?:wie ?viel (?:ist|sind|macht)|was ist|combien (?:font|fait)|cuánto (?:es|son)) "
    rf"\d[\d.,]* ?(?:mal|plus|minus|geteilt durch|fois|moins|divisé par|por|más|menos|% (?:von|de)|[*x+/-]) "
    rf"?\d[\d.,]*$|\d+(?:[かたひわ割足引掛]\w{{0,2}}|[加减乘除]以?)\d+(?:は|等于).*)"
)
"""A wish for a text, code or a sum, in six languages."""
WRITE = re.compile(
    rf"(?i){_ASKED}(?:(?:write|compose|draft|pen) (?:{_SOME}|(?:me |us )?(?:an?|some|short|about|my|poetry|lyrics)\b)"
    rf"|(?:create|generate|make(?: up)?|invent|prepare) {_SOME}{_TEXTS}\b|(?:suggest|give|think of|come up with|tell) "
    rf"{_SOME}(?:poem|stor(?:y|ies)|song|haiku|limerick|slogans?|riddles?|rhyme|(?:names?|titles?) for)\b"
    rf"|(?:brainstorm|role-?play|pretend|act as|imagine|plan (?:me |us )?(?:an?|my|our)) |{_SOME}(?:poem|haiku"
    rf"|limerick|story|song|slogans?) (?:about|on|for) |(?:(?:give|suggest|share|i need) )?(?:me )?(?:any |some |good "
    rf"|a few |\d+ )*(?:[\w-]+ )?(?:ideas|synonyms) for |convert \d|translate (?!(?:the|my|our|this|that|these|all"
    rf"|each)\b(?! (?:word|phrase|sentence|following))).+ (?:in)?to \w+$|(?:schreib|verfass|dicht|entwirf)\w* (?:mir "
    rf"|uns |bitte )*eine?n?\b|übersetz\w* (?!(?:das|die|den|der|mein)\b).+ ins? \w+$"
    r"|(?:écri|rédige|compose)\w*(?:-moi)? une?\b|(?:escrib|redact)\w* una?\b|.{0,40}(?:詩|物語|俳句|手紙|メール"
    r"|コード)を?(?:書|作)|(?:请|帮我|给我)*(?:写|作|编)(?:一|个|首|篇|封|段).*(?:诗|故事|信|邮件|文章|歌|作文|代码"
    r"|函数))|^(?:(?:what(?: is|'s)|calculate|compute|solve|evaluate|simplify|how much is|was ist) "
    r")?(?=[^a-z]*\d)[\d\s*/^().,=xy%×÷√π+-]+$|^(?:calculate|compute|solve|differentiate|integrate|factori[sz]e) "
    r"(?=\S*[\d=^]|the (?:equation|integral|system)|.*=)|^what(?:'s| is) \d[\d.,]* ?(?:plus|minus|times|% of) "
    r"?\d[\d.,]*$"
)
