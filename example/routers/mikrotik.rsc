# MikroTik RouterOS 7: a script for System > Scripts, run by a schedule or by
# the DHCP client. The password is the client's token; the user may be anything.
# check-certificate=yes needs a correct clock and, before RouterOS 7.19, the root
# certificate in System > Certificates.
:local host "home.dyn.example.com"
:local token "YOUR-TOKEN"
:local interface "ether1"
:local address [/ip address get [find interface=$interface] address]
:local ip [:pick $address 0 [:find $address "/"]]
:local reply [/tool fetch mode=https check-certificate=yes http-method=get \
    user="dyndns" password=$token output=user as-value \
    url=("https://dyndns.example.com/nic/update\?hostname=" . $host . "&myip=" . $ip)]
:log info ("dyndns: " . ($reply->"data"))
