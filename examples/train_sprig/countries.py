"""The countries that sprig knows: name, capital, continent, currency, language."""
# ruff: noqa: SIM905 - a list of words reads best as words

from typing import NamedTuple


class Country(NamedTuple):
    name: str
    capital: str
    continent: str
    currency: str
    language: str


_TABLE = """
Afghanistan|Kabul|Asia|afghani|Pashto
Albania|Tirana|Europe|lek|Albanian
Algeria|Algiers|Africa|dinar|Arabic
Andorra|Andorra la Vella|Europe|euro|Catalan
Angola|Luanda|Africa|kwanza|Portuguese
Antigua and Barbuda|Saint John's|North America|East Caribbean dollar|English
Argentina|Buenos Aires|South America|peso|Spanish
Armenia|Yerevan|Asia|dram|Armenian
Australia|Canberra|Oceania|dollar|English
Austria|Vienna|Europe|euro|German
Azerbaijan|Baku|Asia|manat|Azerbaijani
Bahamas|Nassau|North America|dollar|English
Bahrain|Manama|Asia|dinar|Arabic
Bangladesh|Dhaka|Asia|taka|Bengali
Barbados|Bridgetown|North America|dollar|English
Belarus|Minsk|Europe|ruble|Belarusian
Belgium|Brussels|Europe|euro|Dutch
Belize|Belmopan|North America|dollar|English
Benin|Porto-Novo|Africa|CFA franc|French
Bhutan|Thimphu|Asia|ngultrum|Dzongkha
Bolivia|Sucre|South America|boliviano|Spanish
Bosnia and Herzegovina|Sarajevo|Europe|convertible mark|Bosnian
Botswana|Gaborone|Africa|pula|English
Brazil|Brasília|South America|real|Portuguese
Brunei|Bandar Seri Begawan|Asia|dollar|Malay
Bulgaria|Sofia|Europe|euro|Bulgarian
Burkina Faso|Ouagadougou|Africa|CFA franc|French
Burundi|Gitega|Africa|franc|Kirundi
Cambodia|Phnom Penh|Asia|riel|Khmer
Cameroon|Yaoundé|Africa|CFA franc|French
Canada|Ottawa|North America|dollar|English
Cape Verde|Praia|Africa|escudo|Portuguese
Central African Republic|Bangui|Africa|CFA franc|French
Chad|N'Djamena|Africa|CFA franc|French
Chile|Santiago|South America|peso|Spanish
China|Beijing|Asia|yuan|Chinese
Colombia|Bogotá|South America|peso|Spanish
Comoros|Moroni|Africa|franc|Comorian
Costa Rica|San José|North America|colón|Spanish
Croatia|Zagreb|Europe|euro|Croatian
Cuba|Havana|North America|peso|Spanish
Cyprus|Nicosia|Europe|euro|Greek
Czech Republic|Prague|Europe|koruna|Czech
Denmark|Copenhagen|Europe|krone|Danish
Djibouti|Djibouti|Africa|franc|French
Dominica|Roseau|North America|East Caribbean dollar|English
Dominican Republic|Santo Domingo|North America|peso|Spanish
DR Congo|Kinshasa|Africa|franc|French
East Timor|Dili|Asia|US dollar|Tetum
Ecuador|Quito|South America|US dollar|Spanish
Egypt|Cairo|Africa|pound|Arabic
El Salvador|San Salvador|North America|US dollar|Spanish
Equatorial Guinea|Malabo|Africa|CFA franc|Spanish
Eritrea|Asmara|Africa|nakfa|Tigrinya
Estonia|Tallinn|Europe|euro|Estonian
Eswatini|Mbabane|Africa|lilangeni|Swazi
Ethiopia|Addis Ababa|Africa|birr|Amharic
Fiji|Suva|Oceania|dollar|Fijian
Finland|Helsinki|Europe|euro|Finnish
France|Paris|Europe|euro|French
Gabon|Libreville|Africa|CFA franc|French
Gambia|Banjul|Africa|dalasi|English
Georgia|Tbilisi|Asia|lari|Georgian
Germany|Berlin|Europe|euro|German
Ghana|Accra|Africa|cedi|English
Greece|Athens|Europe|euro|Greek
Grenada|Saint George's|North America|East Caribbean dollar|English
Guatemala|Guatemala City|North America|quetzal|Spanish
Guinea|Conakry|Africa|franc|French
Guinea-Bissau|Bissau|Africa|CFA franc|Portuguese
Guyana|Georgetown|South America|dollar|English
Haiti|Port-au-Prince|North America|gourde|French
Honduras|Tegucigalpa|North America|lempira|Spanish
Hungary|Budapest|Europe|forint|Hungarian
Iceland|Reykjavik|Europe|króna|Icelandic
India|New Delhi|Asia|rupee|Hindi
Indonesia|Jakarta|Asia|rupiah|Indonesian
Iran|Tehran|Asia|rial|Persian
Iraq|Baghdad|Asia|dinar|Arabic
Ireland|Dublin|Europe|euro|English
Israel|Jerusalem|Asia|shekel|Hebrew
Italy|Rome|Europe|euro|Italian
Ivory Coast|Yamoussoukro|Africa|CFA franc|French
Jamaica|Kingston|North America|dollar|English
Japan|Tokyo|Asia|yen|Japanese
Jordan|Amman|Asia|dinar|Arabic
Kazakhstan|Astana|Asia|tenge|Kazakh
Kenya|Nairobi|Africa|shilling|Swahili
Kiribati|Tarawa|Oceania|dollar|English
Kuwait|Kuwait City|Asia|dinar|Arabic
Kyrgyzstan|Bishkek|Asia|som|Kyrgyz
Laos|Vientiane|Asia|kip|Lao
Latvia|Riga|Europe|euro|Latvian
Lebanon|Beirut|Asia|pound|Arabic
Lesotho|Maseru|Africa|loti|Sesotho
Liberia|Monrovia|Africa|dollar|English
Libya|Tripoli|Africa|dinar|Arabic
Liechtenstein|Vaduz|Europe|Swiss franc|German
Lithuania|Vilnius|Europe|euro|Lithuanian
Luxembourg|Luxembourg|Europe|euro|Luxembourgish
Madagascar|Antananarivo|Africa|ariary|Malagasy
Malawi|Lilongwe|Africa|kwacha|English
Malaysia|Kuala Lumpur|Asia|ringgit|Malay
Maldives|Malé|Asia|rufiyaa|Dhivehi
Mali|Bamako|Africa|CFA franc|French
Malta|Valletta|Europe|euro|Maltese
Marshall Islands|Majuro|Oceania|US dollar|Marshallese
Mauritania|Nouakchott|Africa|ouguiya|Arabic
Mauritius|Port Louis|Africa|rupee|English
Mexico|Mexico City|North America|peso|Spanish
Micronesia|Palikir|Oceania|US dollar|English
Moldova|Chișinău|Europe|leu|Romanian
Monaco|Monaco|Europe|euro|French
Mongolia|Ulaanbaatar|Asia|tugrik|Mongolian
Montenegro|Podgorica|Europe|euro|Montenegrin
Morocco|Rabat|Africa|dirham|Arabic
Mozambique|Maputo|Africa|metical|Portuguese
Myanmar|Naypyidaw|Asia|kyat|Burmese
Namibia|Windhoek|Africa|dollar|English
Nauru|Yaren|Oceania|dollar|Nauruan
Nepal|Kathmandu|Asia|rupee|Nepali
Netherlands|Amsterdam|Europe|euro|Dutch
New Zealand|Wellington|Oceania|dollar|English
Nicaragua|Managua|North America|córdoba|Spanish
Niger|Niamey|Africa|CFA franc|French
Nigeria|Abuja|Africa|naira|English
North Korea|Pyongyang|Asia|won|Korean
North Macedonia|Skopje|Europe|denar|Macedonian
Norway|Oslo|Europe|krone|Norwegian
Oman|Muscat|Asia|rial|Arabic
Pakistan|Islamabad|Asia|rupee|Urdu
Palau|Ngerulmud|Oceania|US dollar|Palauan
Panama|Panama City|North America|balboa|Spanish
Papua New Guinea|Port Moresby|Oceania|kina|English
Paraguay|Asunción|South America|guaraní|Spanish
Peru|Lima|South America|sol|Spanish
Philippines|Manila|Asia|peso|Filipino
Poland|Warsaw|Europe|zloty|Polish
Portugal|Lisbon|Europe|euro|Portuguese
Qatar|Doha|Asia|riyal|Arabic
Republic of the Congo|Brazzaville|Africa|CFA franc|French
Romania|Bucharest|Europe|leu|Romanian
Russia|Moscow|Europe|ruble|Russian
Rwanda|Kigali|Africa|franc|Kinyarwanda
Saint Kitts and Nevis|Basseterre|North America|East Caribbean dollar|English
Saint Lucia|Castries|North America|East Caribbean dollar|English
Saint Vincent|Kingstown|North America|East Caribbean dollar|English
Samoa|Apia|Oceania|tala|Samoan
San Marino|San Marino|Europe|euro|Italian
Sao Tome and Principe|São Tomé|Africa|dobra|Portuguese
Saudi Arabia|Riyadh|Asia|riyal|Arabic
Senegal|Dakar|Africa|CFA franc|French
Serbia|Belgrade|Europe|dinar|Serbian
Seychelles|Victoria|Africa|rupee|English
Sierra Leone|Freetown|Africa|leone|English
Singapore|Singapore|Asia|dollar|English
Slovakia|Bratislava|Europe|euro|Slovak
Slovenia|Ljubljana|Europe|euro|Slovene
Solomon Islands|Honiara|Oceania|dollar|English
Somalia|Mogadishu|Africa|shilling|Somali
South Africa|Pretoria|Africa|rand|Zulu
South Korea|Seoul|Asia|won|Korean
South Sudan|Juba|Africa|pound|English
Spain|Madrid|Europe|euro|Spanish
Sri Lanka|Colombo|Asia|rupee|Sinhala
Sudan|Khartoum|Africa|pound|Arabic
Suriname|Paramaribo|South America|dollar|Dutch
Sweden|Stockholm|Europe|krona|Swedish
Switzerland|Bern|Europe|Swiss franc|German
Syria|Damascus|Asia|pound|Arabic
Taiwan|Taipei|Asia|dollar|Chinese
Tajikistan|Dushanbe|Asia|somoni|Tajik
Tanzania|Dodoma|Africa|shilling|Swahili
Thailand|Bangkok|Asia|baht|Thai
Togo|Lomé|Africa|CFA franc|French
Tonga|Nuku'alofa|Oceania|pa'anga|Tongan
Trinidad and Tobago|Port of Spain|North America|dollar|English
Tunisia|Tunis|Africa|dinar|Arabic
Turkey|Ankara|Asia|lira|Turkish
Turkmenistan|Ashgabat|Asia|manat|Turkmen
Tuvalu|Funafuti|Oceania|dollar|Tuvaluan
Uganda|Kampala|Africa|shilling|English
Ukraine|Kyiv|Europe|hryvnia|Ukrainian
United Arab Emirates|Abu Dhabi|Asia|dirham|Arabic
United Kingdom|London|Europe|pound|English
United States|Washington|North America|dollar|English
Uruguay|Montevideo|South America|peso|Spanish
Uzbekistan|Tashkent|Asia|som|Uzbek
Vanuatu|Port Vila|Oceania|vatu|Bislama
Vatican City|Vatican City|Europe|euro|Italian
Venezuela|Caracas|South America|bolívar|Spanish
Vietnam|Hanoi|Asia|dong|Vietnamese
Yemen|Sana'a|Asia|rial|Arabic
Zambia|Lusaka|Africa|kwacha|English
Zimbabwe|Harare|Africa|US dollar|English
"""

COUNTRIES = [Country(*line.split("|")) for line in _TABLE.strip().splitlines()]
_WELL_KNOWN = (
    "France Germany Italy Spain Japan China India Brazil Canada Egypt Greece Portugal Austria Norway Sweden Poland "
    "Kenya Peru Mexico Australia Russia Turkey Ireland Hungary Netherlands Belgium Switzerland Denmark Finland Chile"
).split()
_BY_NAME = {country.name: country for country in COUNTRIES}
WELL_KNOWN = [_BY_NAME[name] for name in _WELL_KNOWN] + [_BY_NAME["United Kingdom"], _BY_NAME["United States"]]
